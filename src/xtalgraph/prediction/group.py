"""Loading models by name, one or several, and predicting whole sources with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, overload

import numpy as np

from xtalgraph.data.pieces import Source
from xtalgraph.data.source import open_source
from xtalgraph.errors import BadConfig, Rejected
from xtalgraph.nn.resolve import shipped_names
from xtalgraph.nn.saved_model import SavedModel
from xtalgraph.prediction.ensemble import read_ensemble
from xtalgraph.prediction.predictions import PredictionGroup, Predictions
from xtalgraph.prediction.predictor import (
    Found,
    Memo,
    Predictor,
    batches_by_atoms,
    report_refused,
)
from xtalgraph.structures import Crystal, CrystalStore, pack
from xtalgraph.threads import map_parts, read_ahead

ALL = "all"
"""Stands for all models that come with the package."""


class PredictorGroup(Mapping[str, Predictor]):
    """Several models that predict together: graphs and networks that they share are computed once.

    A mapping from the name of a model to its `Predictor`; `load_model` of a list gives one.
    """

    def __init__(self, predictors: Mapping[str, Predictor]) -> None:
        if not predictors:
            raise BadConfig("no model is named. Name one or more.")
        self.predictors = dict(predictors)

    def __len__(self) -> int:
        return len(self.predictors)

    def __getitem__(self, name: str) -> Predictor:
        return self.predictors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.predictors)

    def predict(
        self,
        crystals: Crystal | Iterable[Crystal] | CrystalStore,
        *,
        rejected: list[Rejected] | None = None,
        n_threads: int | None = None,
    ) -> PredictionGroup:
        """Predict crystals with all models: the results of each are those of it alone.

        Args:
            crystals: One, several, or a store of them.
            rejected: A list to which is appended what cannot be predicted: a crystal, or the models
                that cannot take it.
            n_threads: As for `Predictor.predict`.

        Returns:
            The predictions by model, and as one table.

        Raises:
            BadCrystal: A model cannot take one of the crystals, and no list is given.
        """
        store = pack(crystals)

        def observe(rows: np.ndarray) -> list[Found]:
            memo: Memo = {}
            return [predictor.observe(store, rows, memo) for predictor in self.values()]

        on_cpu = all(predictor.device == "cpu" for predictor in self.values())
        parts = map_parts(observe, batches_by_atoms(store), n_threads if on_cpu else 1)
        found = dict(
            zip(self, zip(*parts, strict=True) if parts else [()] * len(self), strict=True)
        )
        by_model = {name: self[name].conclude(some) for name, some in found.items()}
        kept = [result.rows for result in by_model.values()]
        rows = np.unique(np.concatenate(kept))
        bad = self._join_rejected(found)
        report_refused(bad, len(store), rejected)
        ids = tuple(str(store.ids[row]) for row in rows)
        return PredictionGroup(by_model, ids, rows, bad)

    def _join_rejected(self, found: Mapping[str, Sequence[Found]]) -> tuple[Rejected, ...]:
        """Return one reason a crystal where all models refuse it alike, else who refuses it."""
        reasons: dict[int, dict[Rejected, list[str]]] = {}
        for name, some in found.items():
            for row, one in ((row, one) for _, bad in some for row, one in bad.items()):
                reasons.setdefault(row, {}).setdefault(one, []).append(name)
        return tuple(
            one
            if len(names) == len(self)
            else Rejected(one.id, f"{', '.join(names)}: {one.reason}")
            for _, by_reason in sorted(reasons.items())
            for one, names in by_reason.items()
        )


@overload
def load_model(model: Literal["all"], *, device: str = "cpu") -> PredictorGroup: ...  # type: ignore[overload-overlap]
@overload
def load_model(model: str | Path, *, device: str = "cpu") -> Predictor: ...
@overload
def load_model(
    model: list[str] | list[Path] | tuple[str | Path, ...], *, device: str = "cpu"
) -> PredictorGroup: ...
def load_model(
    model: str | Path | Sequence[str | Path], *, device: str = "cpu"
) -> Predictor | PredictorGroup:
    """Load a model, ready to predict: a run, an ensemble, a shipped one, or one of the hub.

    Only safetensors and JSON are read; no pickled code is ever run.

    Args:
        model: The path of a run folder, of an ensemble's folder or of a model file; the name of a
            shipped model (`xtalgraph models` lists them), where there is no such path, with a
            release if wanted (`formation-energy@0.1`); or `hf:OWNER/NAME`, which is fetched from
            the Hugging Face hub once (extra `hub`), with `@REVISION` if wanted; `…/member-2` is
            one network of an ensemble. A list of these, or `all` for all that come with the
            package, are several models that predict together.
        device: `cpu`, or what torch calls an accelerator, such as `cuda`.

    Returns:
        The model, or a group of them by name.

    Raises:
        UnknownName: There is no such path, model or release.
        BadCheckpoint: The files of the model are missing or broken.
        BadConfig: A model is named twice.
    """
    if isinstance(model, str | Path) and not (model == ALL and not Path(ALL).exists()):
        return Predictor(read_ensemble(model), device)
    names = shipped_names() if isinstance(model, str | Path) else [str(name) for name in model]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadConfig(f"{', '.join(twice)} is named twice. Name each model once.")
    networks: dict[Path, SavedModel] = {}
    return PredictorGroup(
        {name: Predictor(read_ensemble(name, networks), device) for name in names}
    )


def predict_source(
    predictor: Predictor | PredictorGroup,
    source: str | Path | Sequence[str | Path] | Source,
    *,
    n_threads: int | None = None,
) -> Iterator[Predictions | PredictionGroup]:
    """Predict crystals piece by piece, in the order of their source.

    Each piece holds some thousand crystals, so that the memory needed does not grow with their
    number.

    Args:
        predictor: The model, or several.
        source: What `open_source` opens: structure files, a folder, a table, or a list of these.
        n_threads: As for `Predictor.predict`.

    Yields:
        The predictions of a piece, with what could not be read or predicted in it.

    Raises:
        BadDataset: At the end, where nothing of the source can be read.
    """
    for piece in read_ahead(open_source(source).pieces(), n_threads):
        refused: list[Rejected] = []
        result = predictor.predict(piece.crystals, rejected=refused, n_threads=n_threads)
        yield replace(result, rejected=(*piece.rejected, *refused))
