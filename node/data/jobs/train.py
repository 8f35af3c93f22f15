"""Job: train the text classifier from the generated corpus and from stewards' decisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from node.data import corpus, texts
from node.data.texts import LEVELS, Model, Numbers, Places

DECISION_WEIGHT = 20.0
STRENGTH = 1_200_000.0
"""Inverse of the regularisation, for one sentence; chosen on held-out sentences of the corpus."""


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: [level, packed features] of each decision. Frames out:

    ["score", thousandths of held-out sentences at their level, and of decisions],
    ["model", model]. `args`: count of generated sentences.
    """
    decided = [(texts.unpack(data), level) for level, data in incoming]
    trial = fit(_made(args["count"], False), [])
    model = fit(_made(args["count"], None), decided)
    yield ["score", _right(trial, _made(args["count"] // 4, True)), _right(model, decided)]
    yield ["model", model.encode()]


Row = tuple[tuple[Places, Numbers], int]
"""A text's features, and its level."""


def _made(count: int, held: bool | None) -> list[Row]:
    return [(texts.features(text), level) for text, level in corpus.sentences(count, held)]


def _matrix(rows: list[Row]) -> csr_matrix:
    places, values = zip(*(found for found, _ in rows), strict=True)
    ends = np.cumsum([0, *map(len, places)])
    shape = (len(rows), texts.BUCKETS)
    return csr_matrix((np.concatenate(values), np.concatenate(places), ends), shape)


def fit(made: list[Row], decided: list[Row]) -> Model:
    """Return the model of generated and decided texts; what a steward decided counts for more."""
    rows = [*made, *decided]
    weights = [1.0] * len(made) + [DECISION_WEIGHT] * len(decided)
    learner = LogisticRegression(C=STRENGTH / len(rows), max_iter=300)
    sparse = _matrix(rows)
    used = np.unique(sparse.indices)  # the weights of all other buckets stay zero
    learner.fit(sparse[:, used], [level for _, level in rows], weights)
    coefficients = np.zeros((texts.BUCKETS, len(LEVELS)), np.float32)
    coefficients[used] = learner.coef_.T
    return Model.of(coefficients, learner.intercept_)


def _right(model: Model, rows: list[Row]) -> int:
    """How many of a thousand are put at their level; 0 if there are none."""
    if not rows:
        return 0
    scores = _matrix(rows) @ model.weights + model.bias
    right = np.array(LEVELS)[scores.argmax(axis=1)] == np.array([level for _, level in rows])
    return round(1000 * float(right.mean()))
