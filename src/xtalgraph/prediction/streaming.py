"""Predicting more crystals than fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from xtalgraph.data.stream import iterate_dataset
from xtalgraph.errors import Rejected
from xtalgraph.prediction.predictions import Predictions
from xtalgraph.prediction.predictor import Predictor


def predict_source(
    predictor: Predictor, source: str | Path | Sequence[str | Path], *, n_threads: int = 1
) -> Iterator[Predictions]:
    """Predict a folder, a table, structure files or a list of these, piece by piece in their order.

    Each piece holds some thousand crystals, and lists what could not be read or predicted in it, so
    that the memory needed does not grow with their number. Refused at its end is a source of which
    nothing can be read.
    """
    for store, unread in iterate_dataset(source):
        refused: list[Rejected] = []
        result = predictor.predict(store, rejected=refused, n_threads=n_threads)
        yield replace(result, rejected=(*unread, *refused))
