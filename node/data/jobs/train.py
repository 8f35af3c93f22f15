"""Job: train the text classifier from the generated corpus and from stewards' decisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from node.data import corpus
from node.data.texts import BUCKETS, LEVELS, Model, Numbers, features

DECISION_WEIGHT = 20.0
STRENGTH = 10.0
"""Inverse of the regularisation; chosen on held-out sentences of the corpus."""


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: [level, packed features] of each decision (`pack`). Frames out:

    ["score", thousandths of held-out sentences at their level, and of decisions],
    ["model", model]. `args`: count of generated sentences.
    """
    decided = [(unpack(data), level) for level, data in incoming]
    trial = fit(_made(args["count"], False), [])
    model = fit(_made(args["count"], None), decided)
    yield ["score", _right(trial, _made(args["count"] // 4, True)), _right(model, decided)]
    yield ["model", model.encode()]


def _made(count: int, held: bool | None) -> list[tuple[Numbers, int]]:
    return [(features(text), level) for text, level in corpus.sentences(count, held)]


def fit(made: list[tuple[Numbers, int]], decided: list[tuple[Numbers, int]]) -> Model:
    """Return the model of generated and decided texts; what a steward decided counts for more."""
    from scipy.sparse import csr_matrix, vstack

    rows = [*made, *decided]
    weights = [1.0] * len(made) + [DECISION_WEIGHT] * len(decided)
    learner = LogisticRegression(C=STRENGTH, max_iter=300)
    sparse = vstack([csr_matrix(row) for row, _ in rows], format="csr")
    learner.fit(sparse, [level for _, level in rows], weights)
    return Model(learner.coef_.T.astype(np.float32), learner.intercept_.astype(np.float32))


def _right(model: Model, rows: list[tuple[Numbers, int]]) -> int:
    """How many of a thousand are put at their level; 0 if there are none."""
    if not rows:
        return 0
    scores = np.stack([row for row, _ in rows]) @ model.weights + model.bias
    right = np.array(LEVELS)[scores.argmax(axis=1)] == np.array([level for _, level in rows])
    return round(1000 * float(right.mean()))


def pack(text: str) -> bytes:
    """Return a text's features as 16-bit places and values: the text itself does not follow."""
    found = features(text)
    places = np.flatnonzero(found)
    return np.concatenate([places.astype("<u2"), found[places].astype("<f2").view("<u2")]).tobytes()


def unpack(data: bytes) -> Numbers:
    """Undo `pack`."""
    places, values = np.frombuffer(data, "<u2").reshape(2, -1)
    found = np.zeros(BUCKETS, np.float32)
    found[places] = values.view("<f2")
    return found
