"""What a text tells, judged by its words: a linear classifier over hashed runs of characters.

Runs of one to three code points are hashed into BUCKETS places; a sentence's score for each
sharing level is the sum of its runs' weights by the root of their number, plus a bias. A text reads
like the highest level that one of its sentences surely reads like. Training is scikit-learn's
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
BUCKETS = 1 << 14
LEVELS = (1, 2, 3, 4)
MAX_CHARACTERS = 16_384
"""Of longer texts, as much from beginning, middle and end together."""
MIN_RUNS = 24
"""Shorter sentences say too little."""
SURE = 0.8
"""Probability from which a sentence counts as what it reads like."""
ENTITIES = {2: "INTERNAL_TEXT", 3: "PERSONAL_TEXT", 4: "SENSITIVE_TEXT"}
_PRIMES = (np.uint32(2_654_435_761), np.uint32(2_246_822_519), np.uint32(3_266_489_917))
_SHIFT = np.uint32(32 - BUCKETS.bit_length() + 1)
_SIFT = np.uint32(15)
_IS_END = np.zeros(1 << 16, np.bool_)
_IS_END[[ord(char) for char in "。！？；!?;\n\r"]] = True
_LAST = np.uint32((1 << 16) - 1)
_DOT, _SPACE = np.uint32(ord(".")), np.uint32(ord(" "))
Codes = npt.NDArray[np.uint32]
Places = npt.NDArray[Any]
Numbers = npt.NDArray[np.float32]


class ModelError(MunimentError):
    """A model that is damaged or of another release."""

    code = "model"


def _codes(text: str) -> Codes:
    """Return code points, and two zeros, so that three begin at each place."""
    if len(text) > MAX_CHARACTERS:
        part = MAX_CHARACTERS // 3
        middle = (len(text) - part) // 2
        text = f"{text[:part]}\n{text[middle : middle + part]}\n{text[-part:]}"
    return np.frombuffer(f"{text.lower()}\0\0".encode("utf-32-le", "replace"), np.uint32)


def _runs(codes: Codes) -> Places:
    """Return the buckets of the runs of one, two and three that begin at each place: [3, n]."""
    found = np.empty((3, len(codes) - 2), np.uint32)
    one, two, three = found
    np.multiply(codes[:-2], _PRIMES[0], out=one)
    np.add((one ^ (one >> _SIFT)) * _PRIMES[1], codes[1:-1], out=two)
    np.add((two ^ (two >> _SIFT)) * _PRIMES[2], codes[2:], out=three)
    found[1:] *= _PRIMES[0]
    found >>= _SHIFT
    return found.view(np.int32)


def features(sentence: str) -> Numbers:
    """Return the BUCKETS features of a sentence: counts of runs by the root of their number."""
    runs = _runs(_codes(sentence)).ravel()
    counts = np.bincount(runs, minlength=BUCKETS).astype(np.float32)
    return counts / np.float32(max(1.0, len(runs) ** 0.5))


def _sentences(codes: Codes) -> Places:
    """Return where sentences begin; a full stop ends one only before a space."""
    ends = _IS_END[np.minimum(codes[:-2], _LAST)]
    ends |= (codes[:-2] == _DOT) & (codes[1:-1] == _SPACE)
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
        counts = 3 * np.diff(starts, append=len(codes) - 2)
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
        return encode([FORMAT, BUCKETS, self.weights.astype("<f2").tobytes(),
                       self.bias.astype("<f4").tobytes()])  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Model:
        """Raises ModelError."""
        try:
            row = expect_list(decode(data, max_bytes=len(data)), "model", 4)
            expect_int(row[0], "model format", FORMAT, FORMAT)
            expect_int(row[1], "buckets", BUCKETS, BUCKETS)
            weights = expect_bytes(row[2], "weights", 2 * BUCKETS * len(LEVELS))
            bias = expect_bytes(row[3], "bias", 4 * len(LEVELS))
        except DecodeError as error:
            raise ModelError(f"the text model cannot be used: {error}") from error
        made = np.frombuffer(weights, "<f2").reshape(BUCKETS, len(LEVELS)).astype(np.float32)
        model = cls(made, np.frombuffer(bias, "<f4").astype(np.float32))
        if not (np.isfinite(model.weights).all() and np.isfinite(model.bias).all()):
            raise ModelError("the text model holds values that are no numbers")
        return model


@lru_cache(maxsize=1)
def shipped() -> Model:
    """Return the model that comes with the release."""
    return Model.decode((files("node.data") / "tables" / "texts.model").read_bytes())


def model_of(args: dict[str, Any]) -> Model:
    """Return the home's own model, if the job was given one, or the shipped one."""
    own = args.get("model")
    return Model.decode(own) if isinstance(own, bytes) else shipped()
