"""What a text tells, judged by its words: a linear classifier over hashed runs of characters.

Runs of code points, one to three of Chinese and four to six of Latin script, are hashed into so
many buckets that what was not trained on hardly meets what was. A sentence's score for each sharing
level is the sum of its runs' weights by the root of their number, plus a bias. A text reads like
the highest level that one of its sentences surely reads like. Training is scikit-learn's
(`node/data/jobs/train.py`); a model is plain arrays in CBOR, never a pickle, and this file alone
reads it. Whoever imports it runs in a worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
TOGETHER = 1 << 14
"""Characters looked at in one go: what they need fits the processor's cache."""
PIECE = 64
"""Places whose weights can be added in 16 bits: each has three runs, of 255 at most."""
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
_LOWER = np.array([ord(min(chr(code).lower())) for code in range(0x590)], np.uint32)
"""Small letters of the scripts of Europe; `min` because one capital becomes two code points."""
_ASCII = np.uint32(128)
_LONGEST = len(_PRIMES)
_DOT, _SPACE = np.uint32(ord(".")), np.uint32(ord(" "))
_PAD = "\0" * (_LONGEST - 1)
_MOST, _ZERO = np.float32(127), np.uint16(128)
Codes = npt.NDArray[np.uint32]
Words = npt.NDArray[np.uint64]
Places = npt.NDArray[Any]
Numbers = npt.NDArray[np.float32]


class ModelError(MunimentError):
    """A model that is damaged or of another release."""

    code = "model"


def _shorten(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    part = MAX_CHARACTERS // 3
    middle = (len(text) - part) // 2
    return f"{text[:part]}\n{text[middle : middle + part]}\n{text[-part:]}"


def _codes(text: str) -> Codes:
    """Return code points in lower case, and zeros so that the longest run begins at each place."""
    codes = np.frombuffer((text + _PAD).encode("utf-32-le", "replace"), np.uint32)
    return np.where(codes < len(_LOWER), _LOWER.take(codes, mode="clip"), codes)


def _together(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts, made short, in lots of some TOGETHER characters."""
    some: list[str] = []
    size = 0
    for text in map(_shorten, texts):
        some.append(text)
        size += len(text)
        if size >= TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


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


def features(sentence: str) -> tuple[Places, Numbers]:
    """Return buckets and their values: counts of runs by the root of the number of all runs."""
    runs = _runs(_codes(_shorten(sentence))).ravel()
    places, counts = np.unique(runs, return_counts=True)
    return places, counts.astype(np.float32) / np.float32(max(1.0, len(runs) ** 0.5))


def pack(text: str) -> bytes:
    """Return a text's features, places and values in 32 bits: the text itself does not follow."""
    places, values = features(text)
    return np.concatenate([places.astype("<u4"), values.astype("<f4").view("<u4")]).tobytes()


def unpack(data: bytes) -> tuple[Places, Numbers]:
    """Undo `pack`."""
    places, values = np.frombuffer(data, "<u4").reshape(2, -1)
    return places.astype(np.int32), values.view("<f4")


def _ends(codes: Codes) -> npt.NDArray[np.bool_]:
    """Return where sentences end; a full stop ends one only before a space."""
    count = len(codes) - _LONGEST + 1
    ends: npt.NDArray[np.bool_] = _IS_END.take(codes[:count], mode="clip")
    ends |= (codes[:count] == _DOT) & (codes[1 : count + 1] == _SPACE)
    return ends


@dataclass(frozen=True, slots=True)
class Model:
    """Weights in eight bits, the largest of them, and a bias for each of LEVELS.

    `lanes` holds for each of BUCKETS the weights for LEVELS, plus ZERO, in 16 bits each of one
    word: one addition adds all four, so long as no more than PIECE places are added.
    """

    lanes: Words
    largest: np.float32
    bias: Numbers

    @classmethod
    def of(cls, weights: Numbers, bias: Numbers) -> Model:
        """Return the model of weights [BUCKETS, LEVELS], rounded."""
        largest = float(np.abs(weights).max()) or 1.0
        small = np.rint(weights * (_MOST / largest)).astype("<u2")  # wraps, and back below
        return cls((small + _ZERO).view("<u8").ravel(), np.float32(largest),
                   bias.astype(np.float32))  # fmt: skip

    @property
    def small(self) -> npt.NDArray[np.int16]:
        """The weights in eight bits: [BUCKETS, LEVELS]."""
        return self.lanes.view("<u2").reshape(-1, len(LEVELS)).astype(np.int16) - int(_ZERO)

    @property
    def weights(self) -> Numbers:
        return self.small * (self.largest / _MOST)

    def _sentences(self, texts: list[str]) -> tuple[Places, Numbers]:
        """Return of each sentence that is long enough: its text, and each level's probability.

        Shapes [n] and [LEVELS, n].
        """
        codes = _codes("".join(text + _PAD for text in texts))
        sizes = np.array([len(text) for text in texts])
        firsts = np.cumsum(sizes + len(_PAD)) - sizes - len(_PAD)
        begins = np.zeros(len(codes) - len(_PAD), np.bool_)
        begins[1:] = _ends(codes)[:-1]
        begins[firsts] = True
        begins[firsts + sizes] = True  # what stands behind a text is too short to count
        pieces_begin = begins.copy()
        pieces_begin[::PIECE] = True
        starts, pieces = np.flatnonzero(begins), np.flatnonzero(pieces_begin)
        # A run that reaches over the end of its sentence counts for the one it begins in.
        words = np.add.reduceat(self.lanes.take(_runs(codes)).sum(axis=0), pieces)
        lanes = np.array(words.view("<u2").reshape(-1, len(LEVELS)).T, np.float32, order="C")
        sums = np.add.reduceat(lanes, np.flatnonzero(begins[pieces]), axis=1)
        counts = 3 * np.diff(starts, append=len(begins)).astype(np.float32)
        long = counts >= MIN_RUNS
        counts = counts[long]
        scores = (sums[:, long] - _ZERO * counts) * (self.largest / _MOST)
        scores = scores / np.sqrt(counts) + self.bias[:, None]
        powers = np.exp(scores - scores.max(axis=0))
        return np.searchsorted(firsts, starts[long], side="right") - 1, powers / powers.sum(axis=0)

    def levels(self, texts: Iterable[str]) -> Iterator[tuple[int, float]]:
        """Yield, for each text, the highest level that a sentence surely reads like, and how sure.

        Many texts at once take much less time than one by one.
        """
        for some in _together(texts):
            which, shares = self._sentences(some)
            found = np.zeros((len(LEVELS), len(some)), np.float32)
            if len(which):
                least = shares[::-1].cumsum(axis=0)[::-1]  # that it is at least so high
                groups = np.flatnonzero(np.diff(which, prepend=-1))
                found[:, which[groups]] = np.maximum.reduceat(least, groups, axis=1)
            level = np.maximum(1, (found >= SURE).sum(axis=0))
            sure = found[level - 1, np.arange(len(some))]
            yield from zip(level.tolist(), sure.tolist(), strict=True)

    def level(self, text: str) -> tuple[int, float]:
        """Return the level of one text, and how sure that is."""
        return next(self.levels([text]))

    def encode(self) -> bytes:
        """Weights that matter, with their places, in eight bits each."""
        small = self.small.astype(np.int8)
        places = np.flatnonzero(small.any(axis=1))
        return encode([
            FORMAT, BUCKETS, self.largest.astype("<f4").tobytes(),
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
        if not (np.isfinite(largest).all() and np.isfinite(bias).all()):
            raise ModelError("the text model holds values that are no numbers")
        lanes = np.full((BUCKETS, len(LEVELS)), _ZERO, "<u2")
        lanes[where] += np.frombuffer(small, np.int8).reshape(-1, len(LEVELS)).astype("<u2")
        return cls(lanes.view("<u8").ravel(), largest[0], bias.astype(np.float32))


@lru_cache(maxsize=1)
def shipped() -> Model:
    """Return the model that comes with the release."""
    return Model.decode((files("node.data") / "tables" / "texts.model").read_bytes())


def model_of(args: dict[str, Any]) -> Model:
    """Return the home's own model, if the job was given one, or the shipped one."""
    own = args.get("model")
    return Model.decode(own) if isinstance(own, bytes) else shipped()
