"""What a text tells, judged by its words: a linear classifier over hashed runs of characters.

Runs of code points, one to three of Chinese and four to six of Latin script, are hashed into so
many buckets that what was not trained on hardly meets what was. A sentence's score for each sharing
level is the sum of its runs' weights by the root of their number, plus a bias. A text reads like
the highest level that one of its sentences surely reads like. Training is scikit-learn's
(`node/data/jobs/train.py`); a model is plain arrays in CBOR, never a pickle, and this file alone
reads it. Whoever imports it runs in a worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from consensus.codec import DecodeError, decode, encode, expect_bytes, expect_int, expect_list
from node.errors import MunimentError

FORMAT = 1
BUCKETS = 1 << 18
LEVELS = (1, 2, 3, 4)
MAX_CHARACTERS = 16_384
"""Of longer texts, as much from beginning, middle and end together."""
MIN_RUNS = 24
"""Shorter sentences say too little."""
SURE = 0.9
"""Probability from which a sentence counts as what it reads like."""
ENTITIES = {2: "INTERNAL_TEXT", 3: "PERSONAL_TEXT", 4: "SENSITIVE_TEXT"}
_PRIMES = tuple(
    np.uint32(prime)
    for prime in (2_654_435_761, 2_246_822_519, 3_266_489_917, 668_265_263, 374_761_393,
                  2_147_483_629)
)  # fmt: skip
_SHIFT = np.uint32(32 - BUCKETS.bit_length() + 1)
_SIFT = np.uint32(15)
_IS_END = np.zeros(1 << 16, np.bool_)
_IS_END[[ord(char) for char in "。！？；!?;\n\r"]] = True
_LAST = np.uint32((1 << 16) - 1)
_ASCII = np.uint32(128)
_LONGEST = len(_PRIMES)
_DOT, _SPACE = np.uint32(ord(".")), np.uint32(ord(" "))
Codes = npt.NDArray[np.uint32]
Places = npt.NDArray[Any]
Numbers = npt.NDArray[np.float32]


class ModelError(MunimentError):
    """A model that is damaged or of another release."""

    code = "model"


def _codes(text: str) -> Codes:
    """Return code points, and as many zeros that the longest run begins at each place."""
    if len(text) > MAX_CHARACTERS:
        part = MAX_CHARACTERS // 3
        middle = (len(text) - part) // 2
        text = f"{text[:part]}\n{text[middle : middle + part]}\n{text[-part:]}"
    padded = text.lower() + "\0" * (_LONGEST - 1)
    return np.frombuffer(padded.encode("utf-32-le", "replace"), np.uint32)


def _runs(codes: Codes) -> Places:
    """Return the buckets of the three runs that begin at each place: [3, n]."""
    count = len(codes) - _LONGEST + 1
    states = np.empty((_LONGEST, count), np.uint32)
    np.multiply(codes[:count], _PRIMES[0], out=states[0])
    for size in range(1, _LONGEST):
        last = states[size - 1]
        np.add((last ^ (last >> _SIFT)) * _PRIMES[size], codes[size : size + count],
               out=states[size])  # fmt: skip
    found = np.where(codes[:count] < _ASCII, states[3:], states[:3])
    found *= _PRIMES[0]
    found >>= _SHIFT
    return found.view(np.int32)


def features(sentence: str) -> Numbers:
    """Return the BUCKETS features of a sentence: counts of runs by the root of their number."""
    runs = _runs(_codes(sentence)).ravel()
    counts = np.bincount(runs, minlength=BUCKETS).astype(np.float32)
    return counts / np.float32(max(1.0, len(runs) ** 0.5))


def pack(text: str) -> bytes:
    """Return a text's features, places and values in 32 bits: the text itself does not follow."""
    found = features(text)
    places = np.flatnonzero(found)
    return np.concatenate([places.astype("<u4"), found[places].astype("<f4").view("<u4")]).tobytes()


def unpack(data: bytes) -> Numbers:
    """Undo `pack`."""
    places, values = np.frombuffer(data, "<u4").reshape(2, -1)
    found = np.zeros(BUCKETS, np.float32)
    found[places] = values.view("<f4")
    return found


def _sentences(codes: Codes) -> Places:
    """Return where sentences begin; a full stop ends one only before a space."""
    count = len(codes) - _LONGEST + 1
    ends = _IS_END[np.minimum(codes[:count], _LAST)]
    ends |= (codes[:count] == _DOT) & (codes[1 : count + 1] == _SPACE)
    after = np.flatnonzero(ends[:-1])
    starts = np.zeros(len(after) + 1, np.int64)
    np.add(after, 1, out=starts[1:])
    return starts


@dataclass(frozen=True, slots=True)
class Model:
    """Weights, for each of BUCKETS one for each of LEVELS, and a bias for each level."""

    weights: Numbers
    bias: Numbers

    def probabilities(self, text: str) -> Numbers:
        """Return how likely each of LEVELS is, a row for each sentence that is long enough."""
        if not text:
            return np.zeros((0, len(LEVELS)), np.float32)
        codes = _codes(text)
        starts = _sentences(codes)
        # A run that reaches over the end of its sentence counts for the one it begins in.
        scores = np.add.reduceat(self.weights[_runs(codes)].sum(axis=0), starts)
        counts = 3 * np.diff(starts, append=len(codes) - _LONGEST + 1)
        long = counts >= MIN_RUNS
        scores = scores[long] / np.sqrt(counts[long], dtype=np.float32)[:, None] + self.bias
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Numbers = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def level(self, text: str) -> tuple[int, float]:
        """Return the highest level that a sentence surely reads like, and how sure that is."""
        shares = self.probabilities(text)
        if not len(shares):
            return 1, 0.0
        least = shares[:, ::-1].cumsum(axis=1)[:, ::-1].max(axis=0)  # that it is at least so high
        level = int(np.flatnonzero(least >= SURE)[-1]) + 1
        return level, float(least[level - 1])

    def encode(self) -> bytes:
        """Weights that matter, with their places, in eight bits each."""
        largest = float(np.abs(self.weights).max()) or 1.0
        small = np.rint(self.weights * (127 / largest)).astype(np.int8)
        places = np.flatnonzero(small.any(axis=1))
        return encode([
            FORMAT, BUCKETS, np.array([largest], "<f4").tobytes(),
            self.bias.astype("<f4").tobytes(), places.astype("<u4").tobytes(),
            small[places].tobytes(),
        ])  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Model:
        """Raises ModelError."""
        try:
            row = expect_list(decode(data, max_bytes=len(data)), "model", 6)
            expect_int(row[0], "model format", FORMAT, FORMAT)
            expect_int(row[1], "buckets", BUCKETS, BUCKETS)
            largest = np.frombuffer(expect_bytes(row[2], "scale", 4), "<f4")
            bias = np.frombuffer(expect_bytes(row[3], "bias", 4 * len(LEVELS)), "<f4")
            places = expect_bytes(row[4], "places", max_length=4 * BUCKETS)
            small = expect_bytes(row[5], "weights", len(places) // 4 * len(LEVELS))
            where = np.frombuffer(places, "<u4")
            if len(where) and int(where.max()) >= BUCKETS:
                raise DecodeError("a place is out of bounds")
        except (DecodeError, ValueError) as error:
            raise ModelError(f"the text model cannot be used: {error}") from error
        weights = np.zeros((BUCKETS, len(LEVELS)), np.float32)
        rows = np.frombuffer(small, np.int8).reshape(-1, len(LEVELS)).astype(np.float32)
        weights[where] = rows * (largest[0] / np.float32(127))
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ModelError("the text model holds values that are no numbers")
        return cls(weights, bias.astype(np.float32))


@lru_cache(maxsize=1)
def shipped() -> Model:
    """Return the model that comes with the release."""
    return Model.decode((files("node.data") / "tables" / "texts.model").read_bytes())


def model_of(args: dict[str, Any]) -> Model:
    """Return the home's own model, if the job was given one, or the shipped one."""
    own = args.get("model")
    return Model.decode(own) if isinstance(own, bytes) else shipped()
