"""Job: train the text classifier from the generated corpus and from stewards' decisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, vstack
from sklearn.linear_model import LogisticRegression

from node.data import corpus, texts
from node.data.texts import LEVELS, Model

DECISION_WEIGHT = 20.0
STRENGTH = 1_200_000.0
"""Inverse of the regularisation, for one sentence; chosen on held-out sentences of the corpus."""


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: [level, packed features] of each decision. Frames out:

    ["score", thousandths of held-out sentences at their level, and of decisions],
    ["model", model]. `args`: count of generated sentences.
    """
    decided = [(csr_matrix(texts.unpack(data)), level) for level, data in incoming]
    trial = fit(_made(args["count"], False), [])
    model = fit(_made(args["count"], None), decided)
    yield ["score", _right(trial, _made(args["count"] // 4, True)), _right(model, decided)]
    yield ["model", model.encode()]


Row = tuple[csr_matrix, int]


def _made(count: int, held: bool | None) -> list[Row]:
    found = corpus.sentences(count, held)
    return [(csr_matrix(texts.features(text)), level) for text, level in found]


def fit(made: list[Row], decided: list[Row]) -> Model:
    """Return the model of generated and decided texts; what a steward decided counts for more."""
    rows = [*made, *decided]
    weights = [1.0] * len(made) + [DECISION_WEIGHT] * len(decided)
    learner = LogisticRegression(C=STRENGTH / len(rows), max_iter=300)
    sparse = vstack([row for row, _ in rows], format="csr")
    learner.fit(sparse, [level for _, level in rows], weights)
    return Model.of(learner.coef_.T, learner.intercept_)


def _right(model: Model, rows: list[Row]) -> int:
    """How many of a thousand are put at their level; 0 if there are none."""
    if not rows:
        return 0
    scores = vstack([row for row, _ in rows], format="csr") @ model.weights + model.bias
    right = np.array(LEVELS)[scores.argmax(axis=1)] == np.array([level for _, level in rows])
    return round(1000 * float(right.mean()))
