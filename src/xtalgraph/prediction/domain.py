"""Where a model has business answering: is a crystal like those that it learned from?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from xtalgraph.graphs import GraphConfig
from xtalgraph.graphs.build import nearest_distances
from xtalgraph.structures import CrystalStore
from xtalgraph.structures.elements import SYMBOLS

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
        """Give the mean distance from the 5 nearest centres, in standard deviations."""
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
        """Give `in`, `edge` or `out` for each crystal, and the reasons, worst first.

        Out: an element that no training crystal has, an atom with fewer neighbours within the
        cutoff than any of theirs, or a distance beyond `out`. Edge: an atom with fewer neighbours
        than the graph asks for, or a distance beyond `edge`.
        """
        counts = count_fewest_neighbours(crystals, graph)
        found = [
            (
                *_judge_elements(crystals[row].atomic_numbers, elements),
                *self._judge_neighbours(int(counts[row]), graph),
                *self._judge_distance(float(distance[row])),
            )
            for row in range(len(crystals))
        ]
        levels = [
            max((level for level, _ in reasons), key=LEVELS.index, default=IN) for reasons in found
        ]
        texts = [
            "; ".join(words for _, words in sorted(reasons, key=_worst_first)) for reasons in found
        ]
        return tuple(levels), tuple(texts)

    def _judge_neighbours(self, fewest: int, graph: GraphConfig) -> Iterable[tuple[str, str]]:
        found = f"an atom has {fewest} neighbours within {graph.cutoff:g} Å"
        if fewest < min(self.fewest_neighbours, graph.n_neighbours):
            yield OUT, f"{found}, in training none had fewer than {self.fewest_neighbours}"
        elif fewest < graph.n_neighbours:
            yield EDGE, f"{found}, the graph asks for {graph.n_neighbours}"

    def _judge_distance(self, distance: float) -> Iterable[tuple[str, str]]:
        for level, limit, share in ((OUT, self.out, 99), (EDGE, self.edge, 95)):
            if distance > limit:
                found = f"distance {distance:.2f} from the training crystals"
                yield (
                    level,
                    f"{found}, {share} % of the validation crystals have {limit:.2f} or less",
                )
                return


def _worst_first(reason: tuple[str, str]) -> int:
    return -LEVELS.index(reason[0])


def _judge_elements(
    atomic_numbers: np.ndarray, elements: Sequence[str]
) -> Iterable[tuple[str, str]]:
    present = [SYMBOLS[number] for number in np.unique(atomic_numbers).tolist()]
    new = [symbol for symbol in present if symbol not in elements]
    if new:
        yield OUT, f"{', '.join(new)} never seen in training"


def count_fewest_neighbours(
    crystals: CrystalStore, graph: GraphConfig
) -> Int64[np.ndarray, "n_crystals"]:
    """Give how many neighbours within the cutoff the loneliest atom of each crystal has.

    Counted up to the number that the graph asks for, whatever its rule.
    """
    distances = nearest_distances(crystals, graph.n_neighbours, graph.cutoff)
    counts = np.isfinite(distances).sum(axis=1)
    return np.minimum.reduceat(counts, crystals.offsets[:-1]).astype(np.int64)
