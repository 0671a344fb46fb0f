"""From a saved model and crystals to numbers with units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float64

from xtalgraph.errors import BadConfig, BadCrystal, Rejected, summarise
from xtalgraph.graphs import CrystalGraph, build_graphs
from xtalgraph.models import SavedModel, Task, read_model, refuse_unknown_elements
from xtalgraph.structures import Crystal, CrystalStore, pack

if TYPE_CHECKING:
    import pandas

ATOMS_PER_BATCH = 4096  # enough to fill a core's vector units, small enough for its cache


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted values, one row a crystal, in the units of the task's targets.

    For regression `values` has a column for each target; for classification it holds the
    probability of each class. `rejected` lists the crystals that could not be predicted.
    """

    ids: tuple[str, ...]
    values: Float64[np.ndarray, "n_crystals n_outputs"]
    task: Task
    rejected: tuple[Rejected, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def to_frame(self) -> pandas.DataFrame:
        """Give a table: `id`, then `<target> [unit]`, or the class and a probability a class."""
        import pandas as pd

        frame = pd.DataFrame({"id": np.array(self.ids, dtype=object)})
        if self.task.kind == "regression":
            for column, target in enumerate(self.task.targets):
                frame[target.column] = self.values[:, column]
            return frame
        classes = np.array(self.task.classes, dtype=object)
        chosen = self.values.argmax(axis=1) if len(self) else np.empty(0, int)
        frame[self.task.targets[0].name] = classes[chosen]
        for column, name in enumerate(self.task.classes):
            frame[f"probability {name}"] = self.values[:, column]
        return frame


class Predictor:
    """A trained network, ready to predict crystals; `load_model` gives one."""

    def __init__(self, saved: SavedModel, device: str | torch.device = "cpu") -> None:
        self.saved = saved
        self.device = _find_device(device)
        self.known_elements = saved.network.known_elements
        self.network = saved.network.to(self.device).eval()

    @property
    def task(self) -> Task:
        """What the network predicts, with names and units."""
        return self.saved.task

    def predict(
        self,
        crystals: Crystal | Iterable[Crystal] | CrystalStore,
        *,
        rejected: list[Rejected] | None = None,
        n_threads: int = 1,
    ) -> Predictions:
        """Predict crystals, alone or together: the result of each does not depend on the others.

        A crystal that the model cannot take (an element without a vector, an isolated site) is
        refused with `BadCrystal`; with a list as `rejected` it is appended there, left out of the
        result, and the rest is done.
        """
        store = pack(crystals)
        bad: list[Rejected] = []
        ids: list[str] = []
        values: list[np.ndarray] = []
        for rows in _batches_by_atoms(store):
            graph, kept = self._build(store, rows, bad, n_threads)
            if len(kept):
                ids += [str(id) for id in store.ids[kept]]
                values.append(self.predict_graph(graph))
        if bad and rejected is None:
            raise BadCrystal(
                f"{len(bad)} of {len(store)} crystals cannot be predicted:\n{summarise(bad)}",
                remedy="Mend them or leave them out (--skip-bad; in Python: rejected=[]).",
            )
        if rejected is not None:
            rejected += bad
        n_outputs = self.task.n_outputs
        table = np.concatenate(values) if values else np.empty((0, n_outputs))
        return Predictions(tuple(ids), table, self.task, tuple(bad))

    def predict_graph(self, graph: CrystalGraph) -> Float64[np.ndarray, "n_crystals n_outputs"]:
        """Predict a batch of graphs: values in the targets' units, or class probabilities."""
        with torch.inference_mode():
            outputs = self.network(graph.to(self.device)).cpu().double()
            if self.saved.normaliser is None:
                return outputs.softmax(dim=1).numpy()
            return self.saved.normaliser.restore(outputs).numpy()

    def _build(
        self, store: CrystalStore, rows: np.ndarray, bad: list[Rejected], n_threads: int
    ) -> tuple[CrystalGraph, np.ndarray]:
        """Build the graphs of a batch; where that fails, of each crystal that can be built."""
        config = self.saved.graph_config
        try:
            batch = store.take(rows)
            refuse_unknown_elements(batch, self.known_elements)
            return build_graphs(batch, config, merged=True, n_threads=n_threads), rows
        except BadCrystal:
            kept = [row for row in rows.tolist() if self._accepts(store.take([row]), bad)]
            return build_graphs(store.take(kept), config, merged=True), np.array(
                kept, dtype=np.int64
            )

    def _accepts(self, store: CrystalStore, bad: list[Rejected]) -> bool:
        try:
            refuse_unknown_elements(store, self.known_elements)
            build_graphs(store, self.saved.graph_config)
        except BadCrystal as error:
            bad.append(Rejected(str(store.ids[0]), str(error)))
            return False
        return True


def load_model(path: str | Path, *, device: str | torch.device = "cpu") -> Predictor:
    """Load a trained network from a run folder or a model file, ready to predict.

    Only safetensors and JSON are read; no pickled code is ever run.
    """
    return Predictor(read_model(path), device)


def _find_device(device: str | torch.device) -> torch.device:
    try:
        return torch.zeros(1, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise BadConfig(
            f"device {str(device)!r} cannot be used here ({reason}). Use cpu, or mend the driver."
        ) from error


def _batches_by_atoms(store: CrystalStore) -> Iterator[np.ndarray]:
    """Give runs of rows with about `ATOMS_PER_BATCH` atoms: cost goes by atoms, not crystals."""
    first = 0
    while first < len(store):
        limit = store.offsets[first] + ATOMS_PER_BATCH
        last = int(np.searchsorted(store.offsets, limit, side="right")) - 1
        last = min(max(last, first + 1), len(store))
        yield np.arange(first, last)
        first = last
