"""From saved models and crystals to numbers with units: one crystal, many, or a whole source."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from xtalgraph.errors import BadConfig, BadCrystal, Rejected, summarise
from xtalgraph.extras import import_extra
from xtalgraph.graphs import GraphArrays, GraphConfig, build_arrays
from xtalgraph.nn.registry import NumpyNetwork
from xtalgraph.nn.saved_model import SavedModel
from xtalgraph.nn.task import Task, interpret_outputs, refuse_unknown_elements, try_each
from xtalgraph.prediction.calibration import ClassCalibration, IntervalCalibration
from xtalgraph.prediction.ensemble import Ensemble
from xtalgraph.prediction.predictions import Predictions
from xtalgraph.structures import Crystal, CrystalStore, pack
from xtalgraph.threads import map_parts

ATOMS_PER_BATCH = 2048  # enough to fill a core's vector units, small enough for its cache
EDGES_PER_BATCH = 2**18  # 128 an atom: only graphs of large radii have more, and would fill memory
Graphs = Mapping[GraphConfig, GraphArrays]
Memo = dict[Hashable, Any]
"""What is computed once for a batch: graphs, and what networks have in common, by what it is of."""


@runtime_checkable
class Networks(Protocol):
    """The networks of an ensemble, wherever they are computed."""

    @property
    def device(self) -> str:
        """Where they are computed."""
        ...

    @property
    def known_elements(self) -> list[list[int]]:
        """Atomic numbers of the elements that each network can take."""
        ...

    def fingerprint(
        self, number: int, graph: GraphArrays, memo: Memo
    ) -> Float[np.ndarray, "n_crystals width"]:
        """Return the pooled vectors of the network of that number."""
        ...

    def output(
        self, number: int, pooled: Float[np.ndarray, "n_crystals width"]
    ) -> Float[np.ndarray, "n_crystals n_outputs"]:
        """Return standardized values or logits of the network of that number."""
        ...


@dataclass(frozen=True, eq=False)
class _Batch:
    """What is known of a batch of crystals, or of all batches together."""

    ids: tuple[str, ...]
    rows: Int64[np.ndarray, "n_crystals"]
    members: Float64[np.ndarray, "n_members n_crystals n_outputs"]
    distance: Float64[np.ndarray, "n_crystals"]  # zeros without a domain
    domain: tuple[str, ...]
    reasons: tuple[str, ...]


Refused = dict[int, Rejected]
"""Why crystals cannot be predicted, by their rows."""

Found = tuple[list[_Batch], Refused]
"""What is known of the crystals of a batch, and why some are left out."""


class NetworksInNumpy:
    """The networks of an ensemble in numpy and compiled loops: on a CPU, torch is not loaded."""

    device = "cpu"

    def __init__(self, networks: Sequence[NumpyNetwork]) -> None:
        self.networks = networks
        self.known_elements = [network.known_elements for network in self.networks]

    def fingerprint(
        self, number: int, graph: GraphArrays, memo: Memo
    ) -> Float32[np.ndarray, "n_crystals width"]:
        """Return the pooled vectors of the network of that number."""
        network = self.networks[number]
        key = (network.trunk, graph)
        if key not in memo:
            memo[key] = network.trunk(graph)
        return network.pool(memo[key], graph)

    def output(
        self, number: int, pooled: Float32[np.ndarray, "n_crystals width"]
    ) -> Float32[np.ndarray, "n_crystals n_outputs"]:
        """Return standardized values or logits of the network of that number."""
        return self.networks[number].output(pooled)


class Predictor:
    """One trained network or several, ready to predict crystals; `load_model` gives one.

    The answer of several is the mean of their values, or of their class probabilities. On a CPU
    they are computed without torch, where all of them can be.

    Attributes:
        ensemble: The networks with calibration and domain.
        saved: The first of the networks.
        networks: The same, ready to compute.
        device: Where they are computed.
        known_elements: Atomic numbers of the elements that all of them can take.
    """

    def __init__(self, saved: SavedModel | Ensemble, device: str = "cpu") -> None:
        self.ensemble = saved if isinstance(saved, Ensemble) else Ensemble.of(saved)
        self.saved = self.ensemble.members[0]
        self.networks: Networks = _find_networks(self.ensemble.members, str(device))
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
        n_threads: int | None = None,
    ) -> Predictions:
        """Predict crystals, alone or together: the result of each does not depend on the others.

        Args:
            crystals: One, several, or a store of them.
            rejected: A list to which crystals are appended that the model cannot take (an element
                without a vector, an isolated site); they are left out of the result.
            n_threads: How many batches of some thousand atoms are computed at a time; None: as many
                as there are cores. The results do not depend on it.

        Returns:
            One row a crystal, in the units of the targets.

        Raises:
            BadCrystal: The model cannot take one of them, and no list is given.
        """
        store = pack(crystals)
        found = map_parts(
            lambda rows: self.observe(store, rows, {}),
            batches_by_atoms(store),
            n_threads if self.device == "cpu" else 1,
        )
        result = self.conclude(found)
        report_refused(result.rejected, len(store), rejected)
        return result

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
        members, _ = self._run({self.graph_configs[0]: arrays}, {})
        return self._calibrate(members.mean(axis=0))

    def fingerprints(
        self, crystals: CrystalStore, *, n_threads: int | None = None
    ) -> Float[np.ndarray, "n_crystals width"]:
        """Return one vector a crystal: what the first network pools its atoms to.

        Args:
            crystals: A store of them.
            n_threads: As for `predict`.

        Returns:
            Vectors without a unit, in float32.
        """
        config = self.saved.graph_config

        def pool(rows: np.ndarray) -> np.ndarray:
            graph = build_arrays(crystals.take(rows), config, deduplicated=True, n_threads=1)
            return self.networks.fingerprint(0, graph, {})

        n_threads = n_threads if self.device == "cpu" else 1
        vectors = map_parts(pool, batches_by_atoms(crystals), n_threads)
        return np.concatenate(vectors or [np.empty((0, 0), np.float32)])

    def observe(self, store: CrystalStore, rows: np.ndarray, memo: Memo) -> Found:
        """Return what all networks state of a batch, and why some of its crystals are left out.

        `memo` is that of the batch, which several predictors share.
        """
        bad: Refused = {}
        batches = [
            self._observe(store, kept, graphs, memo)
            for graphs, kept in self._split_by_edges(store, rows, bad, memo)
        ]
        return batches, bad

    def _observe(self, store: CrystalStore, rows: np.ndarray, graphs: Graphs, memo: Memo) -> _Batch:
        """Run all networks on a batch, and see how far its crystals are from the training ones."""
        crystals = store.take(rows)
        members, pooled = self._run(graphs, memo)
        domain, distance = self.ensemble.domain, np.zeros(len(crystals))
        levels: tuple[str, ...] = ()
        reasons: tuple[str, ...] = ()
        if domain is not None:
            distance = domain.reference.distance(pooled)
            levels, reasons = domain.judge(
                crystals, distance, self.saved.elements, self.saved.graph_config
            )
        ids = tuple(str(id) for id in crystals.ids)
        return _Batch(ids, rows, members, distance, levels, reasons)

    def _run(
        self, graphs: Graphs, memo: Memo
    ) -> tuple[
        Float64[np.ndarray, "n_members n_crystals n_outputs"],
        Float[np.ndarray, "n_crystals width"],
    ]:
        """Return what each member states, and the pooled vectors of the first."""
        members = self.ensemble.members
        pooled = [
            self.networks.fingerprint(number, graphs[member.graph_config], memo)
            for number, member in enumerate(members)
        ]
        stated = [
            interpret_outputs(self.networks.output(number, vectors), member.normaliser)
            for number, (vectors, member) in enumerate(zip(pooled, members, strict=True))
        ]
        return np.stack(stated), pooled[0]

    def _calibrate(
        self, stated: Float64[np.ndarray, "n_crystals n_outputs"]
    ) -> Float64[np.ndarray, "n_crystals n_outputs"]:
        """Return the probabilities with their temperature; values stay as they are."""
        calibration = self.ensemble.calibration
        if isinstance(calibration, ClassCalibration) and len(stated):
            return calibration.probabilities(stated)
        return stated

    def conclude(self, found: Sequence[Found]) -> Predictions:
        """Return the predictions of all batches together."""
        batch = self._join([batch for batches, _ in found for batch in batches])
        bad = tuple(one for _, some in found for one in some.values())
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
            rows=batch.rows,
        )

    def _join(self, batches: list[_Batch]) -> _Batch:
        nothing = np.empty((len(self.ensemble.members), 0, self.task.n_outputs))
        return _Batch(
            tuple(chain.from_iterable(batch.ids for batch in batches)),
            np.concatenate([np.empty(0, np.int64), *(batch.rows for batch in batches)]),
            np.concatenate([nothing, *(batch.members for batch in batches)], axis=1),
            np.concatenate([np.empty(0), *(batch.distance for batch in batches)]),
            tuple(chain.from_iterable(batch.domain for batch in batches)),
            tuple(chain.from_iterable(batch.reasons for batch in batches)),
        )

    def _split_by_edges(
        self, store: CrystalStore, rows: np.ndarray, bad: Refused, memo: Memo
    ) -> Iterator[tuple[Graphs, np.ndarray]]:
        """Yield the graphs of a batch, in parts where they have too many edges, and their rows."""
        graphs, kept = self._build(store, rows, bad, memo)
        n_edges = max(len(graph.centre) for graph in graphs.values())
        if n_edges > EDGES_PER_BATCH and len(kept) > 1:
            for half in np.array_split(kept, 2):
                yield from self._split_by_edges(store, half, bad, memo)
        elif len(kept):
            yield graphs, kept

    def _build(
        self, store: CrystalStore, rows: np.ndarray, bad: Refused, memo: Memo
    ) -> tuple[Graphs, np.ndarray]:
        """Build the graphs of a batch; where that fails, of each crystal that can be built."""
        try:
            return self._build_each(store, rows, memo), rows
        except BadCrystal:
            batch = store.take(rows)
            good, errors = try_each(batch, lambda one: self._build_each(one, np.arange(1), {}))
            failed = np.setdiff1d(np.arange(len(rows)), good)
            for row, error in zip(rows[failed].tolist(), errors, strict=True):
                bad[row] = Rejected(error.id or "", str(error))
            return self._build_each(store, rows[good], memo), rows[good]

    def _build_each(self, store: CrystalStore, rows: np.ndarray, memo: Memo) -> Graphs:
        batch = store.take(rows)
        refuse_unknown_elements(batch, self.known_elements)
        graphs = {}
        for config in self.graph_configs:
            key = (config, rows.tobytes())
            if key not in memo:
                memo[key] = build_arrays(batch, config, deduplicated=True, n_threads=1)
            graphs[config] = memo[key]
        return graphs


def report_refused(
    bad: Sequence[Rejected], n_crystals: int, rejected: list[Rejected] | None
) -> None:
    """Append what cannot be predicted to a list, or raise where there is none."""
    if rejected is not None:
        rejected += bad
    elif bad:
        n_bad = len({one.id for one in bad})
        raise BadCrystal(
            f"{n_bad} of {n_crystals} crystals cannot be predicted:\n{summarise(bad)}",
            remedy="Correct them or leave them out (--skip-bad; in Python: rejected=[]).",
        )


def _find_networks(members: Sequence[SavedModel], device: str) -> Networks:
    """Return the networks in numpy, where a CPU is asked and all have that form, or in torch."""
    if device == "cpu":
        found = [member.in_numpy for member in members]
        networks = [network for network in found if network is not None]
        if len(networks) == len(members):
            return NetworksInNumpy(networks)
    import_extra("torch", f"predicting on {device} with this model")
    from xtalgraph.prediction.in_torch import NetworksInTorch

    return NetworksInTorch(members, device)


def batches_by_atoms(store: CrystalStore) -> Iterator[np.ndarray]:
    """Yield runs of rows with about `ATOMS_PER_BATCH` atoms: cost goes by atoms, not crystals."""
    first = 0
    while first < len(store):
        limit = store.offsets[first] + ATOMS_PER_BATCH
        last = int(np.searchsorted(store.offsets, limit, side="right")) - 1
        last = min(max(last, first + 1), len(store))
        yield np.arange(first, last)
        first = last
