"""How far off a prediction may be, and where a model should not be used.

The numbers here are fitted when an ensemble is packed (`evaluation/calibrating.py`), on crystals
that no member has learned from. Calibration and domain are blocks of a saved model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from xtalgraph.errors import BadCheckpoint
from xtalgraph.graphs import GraphConfig
from xtalgraph.graphs.build import nearest_distances
from xtalgraph.nn.saved_model import Block
from xtalgraph.nn.task import Task
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS


@dataclass(frozen=True)
class Scale:
    """The half-width of a target's interval: quantile · (1 + of_spread · σ + of_distance · d).

    σ is the standard deviation over the members in the target's unit, d the distance from the
    training crystals. The sum in brackets says which predictions are the less sure ones, the
    conformal quantile of |true − predicted| / (that sum) how sure that is.
    """

    quantile: float  # in the unit of the target
    of_spread: float = 0.0  # 1 over the unit of the target
    of_distance: float = 0.0  # 1 over the unit of the distance

    def relative(
        self, spread: Float[np.ndarray, "n_rows"], distance: Float[np.ndarray, "n_rows"]
    ) -> Float64[np.ndarray, "n_rows"]:
        """Return the sum in brackets: 1 or more."""
        return 1.0 + self.of_spread * spread + self.of_distance * distance


@dataclass(frozen=True)
class IntervalCalibration:
    """Intervals of a regression: predicted ± half-width holds `coverage` of unseen crystals."""

    coverage: float
    scales: tuple[Scale, ...]  # one a target

    def half_widths(
        self,
        spread: Float[np.ndarray, "n_rows n_targets"],
        distance: Float[np.ndarray, "n_rows"],
    ) -> Float64[np.ndarray, "n_rows n_targets"]:
        """Return half the width of each interval, in the units of the targets."""
        columns = [
            scale.quantile * scale.relative(spread[:, number], distance)
            for number, scale in enumerate(self.scales)
        ]
        return np.stack(columns, axis=1)


@dataclass(frozen=True)
class ClassCalibration:
    """Probabilities of a classification, p^(1/T) scaled to 1, and sets of classes.

    The true class lies in the set for at least `coverage` of unseen crystals: the set has the
    classes of probability 1 − `quantile` or more, and always the likeliest.
    """

    coverage: float
    temperature: float  # above 1 where the networks were too sure of themselves
    quantile: float  # conformal, of 1 − the probability of the true class

    def probabilities(
        self, stated: Float[np.ndarray, "n_rows n_classes"]
    ) -> Float64[np.ndarray, "n_rows n_classes"]:
        """Return the calibrated probabilities of what the networks state."""
        logits = np.log(np.maximum(stated, 1e-30)) / self.temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def sets(
        self, probabilities: Float[np.ndarray, "n_rows n_classes"]
    ) -> Bool[np.ndarray, "n_rows n_classes"]:
        """Return which classes are in the set of each row."""
        likeliest = probabilities == probabilities.max(axis=1, keepdims=True)
        return likeliest | (probabilities >= 1.0 - self.quantile)


Calibration = IntervalCalibration | ClassCalibration


def write_calibration(calibration: Calibration) -> Block:
    """Return a calibration as a block of a saved model."""
    return Block(1, asdict(calibration))


def read_calibration(block: Block, task: Task) -> Calibration:
    """Return the calibration of a block, which is for a task.

    Raises:
        BadCheckpoint: The block is not one of this task.
    """
    values = block.info
    try:
        if task.kind == "classification":
            return ClassCalibration(**values)
        scales = tuple(Scale(**scale) for scale in values["scales"])
        if len(scales) != len(task.targets):
            raise ValueError(f"{len(scales)} scales for {len(task.targets)} targets")
        return IntervalCalibration(values["coverage"], scales)
    except (KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"the calibration is broken ({error}). Copy the model again.") from None


IN, EDGE, OUT = "in", "edge", "out"
LEVELS = (IN, EDGE, OUT)
N_NEAREST = 5  # centres whose mean distance is taken: one alone is as chance has placed it


@dataclass(frozen=True, eq=False)
class Reference:
    """Where the training crystals lie in the space of the first member's pooled vectors.

    The vectors are taken along their principal directions, each scaled to variance 1, so that a
    direction in which the training crystals hardly differ counts as much as one in which they do.
    """

    origin: Float32[np.ndarray, "width"]  # mean of the training crystals
    directions: Float32[np.ndarray, "width n_directions"]
    centres: Float32[np.ndarray, "n_points n_directions"]  # of clusters of training crystals

    def distance(
        self, fingerprints: Float[np.ndarray, "n_rows width"]
    ) -> Float64[np.ndarray, "n_rows"]:
        """Return the mean distance from the 5 nearest centres, in standard deviations."""
        places = ((fingerprints - self.origin) @ self.directions).astype(np.float64)
        centres = self.centres.astype(np.float64)
        squares = (places**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)
        distances = np.sqrt(np.maximum(squares - 2 * places @ centres.T, 0.0))
        n_nearest = min(N_NEAREST, len(centres))
        return np.partition(distances, n_nearest - 1, axis=1)[:, :n_nearest].mean(axis=1)


@dataclass(frozen=True, eq=False)
class Domain:
    """What is known of the training crystals, and from where on a crystal is no longer like them.

    `edge` and `out` are the distances that 95 % and 99 % of the validation crystals do not exceed.
    """

    reference: Reference
    fewest_neighbours: int  # within the cutoff, of any atom of a training crystal; 12 at most
    edge: float
    out: float

    def judge(
        self,
        crystals: CrystalStore,
        distance: Float[np.ndarray, "n_crystals"],
        elements: Sequence[str],
        graph: GraphConfig,
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return `in`, `edge` or `out` for each crystal, and the reasons, worst first.

        Out: an element that no training crystal has, an atom with fewer neighbours within the
        cutoff than any of theirs, or a distance beyond `out`. Edge: an atom with fewer neighbours
        than the graph asks for, or a distance beyond `edge`.
        """
        counts = count_fewest_neighbours(crystals, graph).tolist()
        unseen = _find_unseen(crystals, elements)
        found = [
            (
                *unseen.get(row, ()),
                *self._judge_neighbours(counts[row], graph),
                *self._judge_distance(far),
            )
            for row, far in enumerate(distance.tolist())
        ]
        levels = [
            max((level for level, _ in reasons), key=LEVELS.index, default=IN) for reasons in found
        ]
        texts = [
            "; ".join(words for _, words in sorted(reasons, key=_worst_first)) for reasons in found
        ]
        return tuple(levels), tuple(texts)

    def to_block(self) -> Block:
        """Return it as a block of a saved model; the centres are stored as float16."""
        places = self.reference
        arrays = {
            "origin": places.origin,
            "directions": places.directions,
            "centres": places.centres.astype(np.float16),
        }
        limits = {"edge": self.edge, "out": self.out}
        return Block(1, {"fewest_neighbours": self.fewest_neighbours} | limits, arrays)

    @classmethod
    def from_block(cls, block: Block) -> Domain:
        """Read it from a block of a saved model.

        Raises:
            BadCheckpoint: The block is broken.
        """
        arrays, info = block.arrays, block.info
        try:
            centres = arrays["centres"].astype(np.float32)
            reference = Reference(arrays["origin"], arrays["directions"], centres)
            return cls(reference, info["fewest_neighbours"], info["edge"], info["out"])
        except KeyError as error:
            raise BadCheckpoint(f"the domain lacks {error}. Copy the model again.") from None

    def _judge_neighbours(self, fewest: int, graph: GraphConfig) -> Iterable[tuple[str, str]]:
        found = f"an atom has {fewest} neighbours within {graph.cutoff:g} Å"
        if fewest < min(self.fewest_neighbours, graph.n_neighbours):
            yield OUT, f"{found}, in training none had fewer than {self.fewest_neighbours}"
        elif fewest < graph.n_neighbours:
            yield EDGE, f"{found}, the graph asks for {graph.n_neighbours}"

    def _judge_distance(self, distance: float) -> Iterable[tuple[str, str]]:
        for level, limit, percentage in ((OUT, self.out, 99), (EDGE, self.edge, 95)):
            if distance > limit:
                found = f"distance {distance:.2f} from the training crystals"
                yield (
                    level,
                    f"{found}, {percentage} % of the validation crystals have {limit:.2f} or less",
                )
                return


def _worst_first(reason: tuple[str, str]) -> int:
    return -LEVELS.index(reason[0])


def _find_unseen(
    crystals: CrystalStore, elements: Sequence[str]
) -> dict[int, tuple[tuple[str, str], ...]]:
    """Return which crystals have elements that no training crystal has."""
    is_seen = np.array([symbol in set(elements) for symbol in SYMBOLS])
    atoms = np.flatnonzero(~is_seen[crystals.atomic_numbers])
    owners = np.searchsorted(crystals.offsets, atoms, side="right") - 1
    new: dict[int, list[str]] = {}
    for row, number in np.unique([owners, crystals.atomic_numbers[atoms]], axis=1).T.tolist():
        new.setdefault(row, []).append(SYMBOLS[number])
    return {
        row: ((OUT, f"{', '.join(symbols)} never seen in training"),)
        for row, symbols in new.items()
    }


def count_fewest_neighbours(
    crystals: CrystalStore, graph: GraphConfig
) -> Int64[np.ndarray, "n_crystals"]:
    """Count the neighbours within the cutoff of the most isolated atom of each crystal.

    Counted up to the number that the graph asks for, whatever its rule.
    """
    distances = nearest_distances(crystals, graph.n_neighbours, graph.cutoff)
    counts = np.isfinite(distances).sum(axis=1)
    return np.minimum.reduceat(counts, crystals.offsets[:-1]).astype(np.int64)
