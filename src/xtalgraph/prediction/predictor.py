"""From saved models and crystals to numbers with units: one crystal, many, or a whole source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from xtalgraph.data.source import open_source
from xtalgraph.errors import BadConfig, BadCrystal, Rejected, summarise
from xtalgraph.graphs import GraphArrays, GraphConfig, build_arrays
from xtalgraph.nn.registry import NumpyNetwork
from xtalgraph.nn.saved_model import SavedModel
from xtalgraph.nn.task import Task, interpret_outputs, refuse_unknown_elements, try_each
from xtalgraph.prediction.calibration import ClassCalibration, IntervalCalibration
from xtalgraph.prediction.ensemble import Ensemble, read_ensemble
from xtalgraph.structures import Crystal, CrystalStore, pack
from xtalgraph.units import Target

if TYPE_CHECKING:
    import pandas

ATOMS_PER_BATCH = 4096  # enough to fill a core's vector units, small enough for its cache
EDGES_PER_BATCH = 2**18  # 64 an atom: only graphs of large radii have more, and would fill memory

Graphs = Mapping[GraphConfig, GraphArrays]


@dataclass(frozen=True, eq=False)
class _Batch:
    """What is known of a batch of crystals, or of all batches together."""

    ids: tuple[str, ...]
    members: Float64[np.ndarray, "n_members n_crystals n_outputs"]
    distance: Float64[np.ndarray, "n_crystals"]  # zeros without a domain
    domain: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted values, one row a crystal, in the units of the task's targets.

    Attributes:
        ids: Of the crystals.
        values: For regression a column for each target, in its unit; for classification the
            probability of each class.
        task: What was predicted.
        rejected: The crystals that could not be predicted, and why.
        spread: The standard deviation over the members; None for a single network.
        uncertainty: Half-widths of the intervals of a calibrated regression, in the units of the
            targets; else None.
        class_sets: Which classes may be true, of a calibrated classification; else None.
        coverage: The fraction of unseen crystals whose true value lies in the interval or set.
        distance: From the training crystals, see `Reference.distance`; None if these are unknown.
        domain: `in`, `edge` or `out` for each crystal; None if the training crystals are unknown.
        domain_reason: Why a crystal is not `in`.
        model_version: Which model was asked, see `Predictor.model_version`.
    """

    ids: tuple[str, ...]
    values: Float64[np.ndarray, "n_crystals n_outputs"]
    task: Task
    rejected: tuple[Rejected, ...] = ()
    spread: Float64[np.ndarray, "n_crystals n_outputs"] | None = None
    uncertainty: Float64[np.ndarray, "n_crystals n_targets"] | None = None
    class_sets: Bool[np.ndarray, "n_crystals n_classes"] | None = None
    coverage: float | None = None
    distance: Float64[np.ndarray, "n_crystals"] | None = None
    domain: tuple[str, ...] | None = None
    domain_reason: tuple[str, ...] = ()
    model_version: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def to_frame(self, *, model_version: bool = False) -> pandas.DataFrame:
        """Return the columns of `to_columns` as a table."""
        import pandas as pd

        return pd.DataFrame(self.to_columns(model_version=model_version))

    def to_columns(self, *, model_version: bool = False) -> dict[str, np.ndarray]:
        """Return columns: `id`, then `<target> [unit]`, or the class and a probability a class.

        A calibrated model adds `<target> uncertainty [unit]`, half the width of the interval that
        holds the true value for `coverage` of unseen crystals (for classes `<target> set`, those
        of them that may be true), `domain` and `domain_reason`. A logarithm is given as the
        quantity itself too, with the ends of its interval: `bulk_modulus [GPa]`,
        `bulk_modulus lower [GPa]`, `bulk_modulus upper [GPa]`.

        Args:
            model_version: Add the column `model_version`, such as `formation-energy@0.1`.

        Returns:
            Arrays of one length by column header.
        """
        columns: dict[str, np.ndarray] = {"id": np.array(self.ids, dtype=object)}
        if self.task.kind == "regression":
            for number, target in enumerate(self.task.targets):
                columns |= self._describe_target(number, target)
        else:
            columns |= self._describe_classes()
        if self.domain is not None:
            columns["domain"] = np.array(self.domain, dtype=object)
            columns["domain_reason"] = np.array(self.domain_reason, dtype=object)
        if model_version:
            columns["model_version"] = np.full(len(self), self.model_version, dtype=object)
        return columns

    def _describe_target(self, number: int, target: Target) -> dict[str, np.ndarray]:
        values = self.values[:, number]
        columns = {target.column: values}
        half = None if self.uncertainty is None else self.uncertainty[:, number]
        if half is not None:
            columns[Target(f"{target.name} uncertainty", target.unit).column] = half
        plain = target.without_logarithm
        if plain is None:
            return columns
        columns[plain.column] = 10.0**values
        if half is not None:
            for word, end in (("lower", values - half), ("upper", values + half)):
                columns[Target(f"{plain.name} {word}", plain.unit).column] = 10.0**end
        return columns

    def _describe_classes(self) -> dict[str, np.ndarray]:
        name, classes = self.task.targets[0].name, np.array(self.task.classes, dtype=object)
        chosen = self.values.argmax(axis=1) if len(self) else np.empty(0, int)
        columns = {name: classes[chosen]}
        for number, word in enumerate(self.task.classes):
            columns[f"probability {word}"] = self.values[:, number]
        if self.class_sets is not None:
            texts = [" | ".join(classes[row]) for row in self.class_sets]
            columns[f"{name} set"] = np.array(texts, dtype=object)
        return columns


class NetworksInNumpy:
    """The networks of an ensemble in numpy and compiled loops: on a CPU, torch is not loaded."""

    device = "cpu"

    def __init__(self, networks: Sequence[NumpyNetwork]) -> None:
        self.networks = networks
        self.known_elements = [network.known_elements for network in self.networks]

    def take(self, graph: GraphArrays) -> GraphArrays:
        """Return the graph as it is."""
        return graph

    def fingerprint(
        self, number: int, graph: GraphArrays
    ) -> Float32[np.ndarray, "n_crystals width"]:
        """Return the pooled vectors of the network of that number."""
        return self.networks[number].fingerprint(graph)

    def output(
        self, number: int, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Return standardised values or logits of the network of that number."""
        return self.networks[number].output(pooled)


class Predictor:
    """One trained network or several, ready to predict crystals; `load_model` gives one.

    The answer of several is the mean of their values, or of their class probabilities. On a CPU
    they are computed without torch, where all of them can be.

    Attributes:
        ensemble: The networks with calibration and domain.
        saved: The first of the networks.
        device: Where they are computed.
        known_elements: Atomic numbers of the elements that all of them can take.
    """

    def __init__(self, saved: SavedModel | Ensemble, device: str = "cpu") -> None:
        self.ensemble = saved if isinstance(saved, Ensemble) else Ensemble.of(saved)
        self.saved = self.ensemble.members[0]
        self.networks = _find_networks(self.ensemble.members, str(device))
        self.device = self.networks.device
        self.known_elements = sorted(set.intersection(*map(set, self.networks.known_elements)))
        configs = [member.graph_config for member in self.ensemble.members]
        self.graph_configs = tuple(dict.fromkeys(configs))  # each graph is built once

    @property
    def task(self) -> Task:
        """What is predicted, with names and units."""
        return self.ensemble.task

    @property
    def name(self) -> str:
        """What the model is called, such as `formation-energy`; empty for a run."""
        return self.ensemble.name

    @property
    def version(self) -> str:
        """The release of the model, such as `0.1`; empty for a run."""
        return self.ensemble.version

    @property
    def model_version(self) -> str:
        """Which model answers: `formation-energy@0.1`, or else the checksums of its weights."""
        if self.name and self.version:
            return f"{self.name}@{self.version}"
        sums = [member.weights_sha256[:12] for member in self.ensemble.members]
        return f"sha256:{'+'.join(sums)}" if all(sums) else ""

    def predict(
        self,
        crystals: Crystal | Iterable[Crystal] | CrystalStore,
        *,
        rejected: list[Rejected] | None = None,
        n_threads: int = 1,
    ) -> Predictions:
        """Predict crystals, alone or together: the result of each does not depend on the others.

        Args:
            crystals: One, several, or a store of them.
            rejected: A list to which crystals are appended that the model cannot take (an element
                without a vector, an isolated site); they are left out of the result.
            n_threads: For building graphs.

        Returns:
            One row a crystal, in the units of the targets.

        Raises:
            BadCrystal: The model cannot take one of them, and no list is given.
        """
        store = pack(crystals)
        bad: list[Rejected] = []
        batches = []
        for rows in _batches_by_atoms(store):
            for graphs, kept in self._split_by_edges(store, rows, bad, n_threads):
                batches.append(self._observe(store.take(kept), graphs))
        if bad and rejected is None:
            raise BadCrystal(
                f"{len(bad)} of {len(store)} crystals cannot be predicted:\n{summarise(bad)}",
                remedy="Correct them or leave them out (--skip-bad; in Python: rejected=[]).",
            )
        if rejected is not None:
            rejected += bad
        return self._conclude(self._join(batches), tuple(bad))

    def predict_graph(self, graph: Any) -> Float64[np.ndarray, "n_crystals n_outputs"]:
        """Predict graphs that are built already.

        Args:
            graph: A `CrystalGraph` or `GraphArrays` of one or more crystals.

        Returns:
            Values in the units of the targets, or the probability of each class.

        Raises:
            BadConfig: The members of the ensemble see different graphs; give that one crystals.
        """
        if len(self.graph_configs) > 1:
            raise BadConfig(
                "the members of this ensemble were trained on different graphs, so one graph is "
                "not enough. Predict crystals (Predictor.predict)."
            )
        arrays = graph if isinstance(graph, GraphArrays) else graph.to_arrays()
        members, _ = self._run({self.graph_configs[0]: arrays})
        return self._calibrate(members.mean(axis=0))

    def fingerprints(
        self, crystals: CrystalStore, *, n_threads: int = 1
    ) -> Float[np.ndarray, "n_crystals width"]:
        """Return one vector a crystal: what the first network pools its atoms to.

        Args:
            crystals: A store of them.
            n_threads: For building graphs.

        Returns:
            Vectors without a unit, in float32.
        """
        config = self.saved.graph_config
        vectors = [np.empty((0, 0), np.float32)]
        for rows in _batches_by_atoms(crystals):
            graph = build_arrays(
                crystals.take(rows), config, deduplicated=True, n_threads=n_threads
            )
            vectors.append(self.networks.fingerprint(0, self.networks.take(graph)))
        return np.concatenate(vectors[1:] or vectors)

    def _observe(self, crystals: CrystalStore, graphs: Graphs) -> _Batch:
        """Run all networks on a batch, and see how far its crystals are from the training ones."""
        members, pooled = self._run(graphs)
        domain, distance = self.ensemble.domain, np.zeros(len(crystals))
        levels: tuple[str, ...] = ()
        reasons: tuple[str, ...] = ()
        if domain is not None:
            distance = domain.reference.distance(pooled)
            levels, reasons = domain.judge(
                crystals, distance, self.saved.elements, self.saved.graph_config
            )
        ids = tuple(str(id) for id in crystals.ids)
        return _Batch(ids, members, distance, levels, reasons)

    def _run(
        self, graphs: Graphs
    ) -> tuple[
        Float64[np.ndarray, "n_members n_crystals n_outputs"],
        Float[np.ndarray, "n_crystals width"],
    ]:
        """Return what each member states, and the pooled vectors of the first."""
        there = {config: self.networks.take(graph) for config, graph in graphs.items()}
        stated, pooled = [], []
        for number, member in enumerate(self.ensemble.members):
            pooled.append(self.networks.fingerprint(number, there[member.graph_config]))
            outputs = self.networks.output(number, pooled[-1])
            stated.append(interpret_outputs(outputs, member.normaliser))
        return np.stack(stated), pooled[0]

    def _calibrate(
        self, stated: Float64[np.ndarray, "n_crystals n_outputs"]
    ) -> Float64[np.ndarray, "n_crystals n_outputs"]:
        """Return the probabilities their temperature; values stay as they are."""
        calibration = self.ensemble.calibration
        if isinstance(calibration, ClassCalibration) and len(stated):
            return calibration.probabilities(stated)
        return stated

    def _conclude(self, batch: _Batch, bad: tuple[Rejected, ...]) -> Predictions:
        calibration, has_domain = self.ensemble.calibration, self.ensemble.domain is not None
        values = self._calibrate(batch.members.mean(axis=0))
        several = len(batch.members) > 1
        spread = batch.members.std(axis=0, ddof=1) if several else None
        half_widths, class_sets = None, None
        if isinstance(calibration, IntervalCalibration):
            zero = np.zeros_like(values)
            known = zero if spread is None else spread
            half_widths = calibration.half_widths(known, batch.distance)
        elif isinstance(calibration, ClassCalibration):
            class_sets = calibration.sets(values)
        return Predictions(
            batch.ids,
            values,
            self.task,
            bad,
            spread=spread,
            uncertainty=half_widths,
            class_sets=class_sets,
            coverage=None if calibration is None else calibration.coverage,
            distance=batch.distance if has_domain else None,
            domain=batch.domain if has_domain else None,
            domain_reason=batch.reasons,
            model_version=self.model_version,
        )

    def _join(self, batches: list[_Batch]) -> _Batch:
        nothing = np.empty((len(self.ensemble.members), 0, self.task.n_outputs))
        return _Batch(
            tuple(chain.from_iterable(batch.ids for batch in batches)),
            np.concatenate([nothing, *(batch.members for batch in batches)], axis=1),
            np.concatenate([np.empty(0), *(batch.distance for batch in batches)]),
            tuple(chain.from_iterable(batch.domain for batch in batches)),
            tuple(chain.from_iterable(batch.reasons for batch in batches)),
        )

    def _split_by_edges(
        self, store: CrystalStore, rows: np.ndarray, bad: list[Rejected], n_threads: int
    ) -> Iterator[tuple[Graphs, np.ndarray]]:
        """Yield the graphs of a batch, in parts where they have too many edges, and their rows."""
        graphs, kept = self._build(store, rows, bad, n_threads)
        n_edges = max(len(graph.centre) for graph in graphs.values())
        if n_edges > EDGES_PER_BATCH and len(kept) > 1:
            for half in np.array_split(kept, 2):
                yield from self._split_by_edges(store, half, bad, n_threads)
        elif len(kept):
            yield graphs, kept

    def _build(
        self, store: CrystalStore, rows: np.ndarray, bad: list[Rejected], n_threads: int
    ) -> tuple[Graphs, np.ndarray]:
        """Build the graphs of a batch; where that fails, of each crystal that can be built."""
        batch = store.take(rows)
        try:
            return self._build_each(batch, n_threads), rows
        except BadCrystal:
            good, errors = try_each(batch, lambda one: self._build_each(one, 1))
            bad += [Rejected(error.id or "", str(error)) for error in errors]
            return self._build_each(batch.take(good), 1), rows[good]

    def _build_each(self, store: CrystalStore, n_threads: int) -> Graphs:
        refuse_unknown_elements(store, self.known_elements)
        return {
            config: build_arrays(store, config, deduplicated=True, n_threads=n_threads)
            for config in self.graph_configs
        }


def load_model(model: str | Path, *, device: str = "cpu") -> Predictor:
    """Load a model, ready to predict: a run, an ensemble, a shipped one, or one of the hub.

    Only safetensors and JSON are read; no pickled code is ever run.

    Args:
        model: The path of a run folder, of an ensemble's folder or of a model file; the name of a
            shipped model (`xtalgraph models` lists them), where there is no such path, with a
            release if wanted (`formation-energy@0.1`); or `hf:OWNER/NAME`, which is fetched from
            the Hugging Face hub once (extra `hub`), with `@REVISION` if wanted; `…/member-2` is
            one network of an ensemble.
        device: `cpu`, or what torch calls an accelerator, such as `cuda`.

    Returns:
        The model.

    Raises:
        UnknownName: There is no such path, model or release.
        BadCheckpoint: The files of the model are missing or broken.
    """
    return Predictor(read_ensemble(model), device)


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


def _find_networks(members: Sequence[SavedModel], device: str) -> Any:
    """Return the networks in numpy, where a CPU is asked and all have that form, or in torch."""
    if device == "cpu":
        found = [member.in_numpy for member in members]
        networks = [network for network in found if network is not None]
        if len(networks) == len(members):
            return NetworksInNumpy(networks)
    from xtalgraph.prediction.in_torch import NetworksInTorch

    return NetworksInTorch(members, device)


def _batches_by_atoms(store: CrystalStore) -> Iterator[np.ndarray]:
    """Yield runs of rows with about `ATOMS_PER_BATCH` atoms: cost goes by atoms, not crystals."""
    first = 0
    while first < len(store):
        limit = store.offsets[first] + ATOMS_PER_BATCH
        last = int(np.searchsorted(store.offsets, limit, side="right")) - 1
        last = min(max(last, first + 1), len(store))
        yield np.arange(first, last)
        first = last
