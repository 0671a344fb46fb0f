"""Predicting more crystals than fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from xtalgraph.data.source import open_source
from xtalgraph.errors import Rejected
from xtalgraph.prediction.predictions import Predictions
from xtalgraph.prediction.predictor import Predictor


def predict_source(
    predictor: Predictor, source: str | Path | Sequence[str | Path], *, n_threads: int = 1
) -> Iterator[Predictions]:
    """Predict crystals piece by piece, in the order of their source.

    Each piece holds some thousand crystals, so that the memory needed does not grow with their
    number.

    Args:
        predictor: The model.
        source: What `open_source` opens: structure files, a folder, a table, or a list of these.
        n_threads: How many threads build graphs and compute.

    Yields:
        The predictions of a piece, with what could not be read or predicted in it.

    Raises:
        BadDataset: At the end, where nothing of the source can be read.
    """
    for piece in open_source(source).pieces():
        refused: list[Rejected] = []
        result = predictor.predict(piece.crystals, rejected=refused, n_threads=n_threads)
        yield replace(result, rejected=(*piece.rejected, *refused))
