"""An overview of all predictions of a screen: distributions and maps, from the files of its chunks.

One chunk is read at a time. Only counts in bins are kept, and one value for each pair of A and B
with the anions that are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64, Int64

from xtalgraph.nn import element_table
from xtalgraph.screening.screener import PASSED, SITES
from xtalgraph.structures.elements import SYMBOLS

FINE, BINS = 4000, 60  # bins for counting; maximum number of drawn bins
BEYOND = 0.001  # fraction of the candidates at either end that are outside the drawn bins
MOST_MAPS = 8


@dataclass(frozen=True, eq=False)
class Distribution:
    """A histogram of predictions, with bins of equal width."""

    edges: Float64[np.ndarray, "n_points"]  # one more than the number of bins
    counts: Int64[np.ndarray, "n_rows"]
    passed: Int64[np.ndarray, "n_rows"]  # of them
    n_beyond: int  # outside the bins


@dataclass(frozen=True, eq=False)
class SiteMap:
    """The predictions of all perovskites with the same anions, A in columns, B in rows."""

    anions: str
    a_elements: tuple[str, ...]  # in the order of the periodic table, group by group
    b_elements: tuple[str, ...]
    values: np.ndarray  # one row per B, one column per A; NaN where nothing was predicted
    passed: np.ndarray  # likewise, boolean

    def to_frame(self, quantity: str) -> pd.DataFrame:
        """Return one row per pair that was predicted."""
        row_b, row_a = np.nonzero(np.isfinite(self.values))
        return pd.DataFrame(
            {
                "A": np.array(self.a_elements, dtype=object)[row_a],
                "B": np.array(self.b_elements, dtype=object)[row_b],
                "X": self.anions,
                quantity: self.values[row_b, row_a],
                PASSED: self.passed[row_b, row_a],
            }
        )


def count_in_bins(paths: Sequence[Path], names: Sequence[str]) -> dict[str, Distribution]:
    """Return the distribution of each quantity that has at least one finite value."""
    low, high = dict.fromkeys(names, np.inf), dict.fromkeys(names, -np.inf)
    for path in paths:
        table = pq.read_table(path, columns=list(names))
        for name in names:
            values = _finite(table[name])
            low[name] = min(low[name], values.min(initial=np.inf))
            high[name] = max(high[name], values.max(initial=-np.inf))
    drawn = [name for name in names if low[name] <= high[name]]
    ends = {name: _widen(float(low[name]), float(high[name])) for name in drawn}
    counts = {name: np.zeros((2, FINE), dtype=np.int64) for name in drawn}
    for path in paths:
        table = pq.read_table(path, columns=[*drawn, PASSED])
        passed = table[PASSED].to_numpy()
        for name in drawn:
            values = table[name].to_numpy()
            for row, chosen in enumerate((np.isfinite(values), np.isfinite(values) & passed)):
                counts[name][row] += np.histogram(values[chosen], FINE, ends[name])[0]
    return {name: _coarsen(counts[name], ends[name]) for name in drawn}


def _finite(column: pa.ChunkedArray) -> np.ndarray:
    values = column.to_numpy()
    return values[np.isfinite(values)]


def _widen(low: float, high: float) -> tuple[float, float]:
    """Return distinct ends, even if all values are equal."""
    margin = max(1e-6 * max(abs(low), abs(high)), 1e-9) if high - low < 1e-9 else 0.0
    return low - margin, high + margin


def _coarsen(counts: np.ndarray, ends: tuple[float, float]) -> Distribution:
    """Leave out the tails, and merge bins until they can be drawn."""
    shares = np.cumsum(counts[0]) / counts[0].sum()
    first = int(np.searchsorted(shares, BEYOND, side="right"))
    last = int(np.searchsorted(shares, 1 - BEYOND)) + 1
    step = -(-(last - first) // BINS)
    starts = np.arange(first, last, step)
    joined = np.add.reduceat(counts[:, first:last], starts - first, axis=1)
    width = (ends[1] - ends[0]) / FINE
    edges = ends[0] + width * np.append(starts, min(last, starts[-1] + step))
    return Distribution(edges, joined[0], joined[1], int(counts[0].sum() - joined[0].sum()))


def read_maps(
    paths: Sequence[Path], quantity: str, sites: Mapping[str, Sequence[str]]
) -> list[SiteMap]:
    """Return the maps of a perovskite space, at most eight: those with the most passed candidates.

    `sites` contains the elements on A and on B, and the anions X.
    """
    axes = {site: sort_elements(sites[site]) for site in SITES[:2]} | {"X": tuple(sites["X"])}
    anions = _choose_anions(paths, axes["X"])
    shape = len(anions), len(axes["B"]), len(axes["A"])
    values, passed = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    places = {"A": axes["A"], "B": axes["B"], "X": anions}
    for path in paths:
        table = pq.read_table(path, columns=[quantity, PASSED, *SITES])
        a, b, x = (_find(table[site], places[site]) for site in SITES)
        shown = x >= 0
        cells = x[shown], b[shown], a[shown]
        values[cells] = table[quantity].to_numpy()[shown]
        passed[cells] = table[PASSED].to_numpy()[shown]
    return [
        SiteMap(anions[row], axes["A"], axes["B"], values[row], passed[row])
        for row in range(len(anions))
        if np.isfinite(values[row]).any()
    ]


def sort_elements(symbols: Sequence[str]) -> tuple[str, ...]:
    """Sort elements by group, then period; lanthanides and actinides are in group 3.

    >>> sort_elements(["Ti", "Ba", "La", "Na", "Ca"])
    ('Na', 'Ca', 'Ba', 'La', 'Ti')
    """
    return tuple(sorted(symbols, key=lambda symbol: (group_of(symbol), SYMBOLS.index(symbol))))


@cache
def group_of(symbol: str) -> int:
    """Return the group of an element, 3 for lanthanides and actinides."""
    group = element_table()["group"][SYMBOLS.index(symbol)]
    return 3 if pd.isna(group) else int(group)


def _choose_anions(paths: Sequence[Path], anions: tuple[str, ...]) -> tuple[str, ...]:
    """Return the anions of the maps that are drawn, in the order of the space."""
    if len(anions) <= MOST_MAPS:
        return anions
    counts = np.zeros(len(anions), dtype=np.int64)
    for path in paths:
        table = pq.read_table(path, columns=["X", PASSED])
        found = _find(table["X"], anions)[table[PASSED].to_numpy()]
        counts += np.bincount(found, minlength=len(anions))
    most = np.argsort(-counts, kind="stable")[:MOST_MAPS]
    return tuple(anions[row] for row in sorted(most.tolist()))


def _find(column: pa.ChunkedArray, words: Sequence[str]) -> np.ndarray:
    """Return the position of each text among some words, -1 where it is none of them."""
    if not len(column):
        return np.empty(0, dtype=np.int64)
    texts = column.combine_chunks().dictionary_encode()
    place = {word: row for row, word in enumerate(words)}
    found = np.array([place.get(word, -1) for word in texts.dictionary.to_pylist()], dtype=np.int64)
    return found[texts.indices.to_numpy()]
