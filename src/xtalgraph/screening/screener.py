"""Screening of a chunk: filters, prediction, the condition, and a table of those that pass."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from xtalgraph.data import Dataset
from xtalgraph.data.composition import contains_element, reduced_formulas
from xtalgraph.data.duplicates import mean_distances
from xtalgraph.data.write import as_table
from xtalgraph.errors import BadConfig, Rejected
from xtalgraph.graphs import nearest_distances
from xtalgraph.prediction import Predictor, load_model
from xtalgraph.screening.candidates import Candidates, Chunk
from xtalgraph.screening.expression import Expression, compile_expression
from xtalgraph.screening.perovskite_sites import can_be_neutral
from xtalgraph.structures import CrystalStore
from xtalgraph.units import Target, read_target_header

SCORE, BOUND = "score", "score_bound"
SITES, PASSED = ("A", "B", "X"), "passed"
UNCERTAINTY, DOMAIN, REASON = "_uncertainty", "domain", "domain_reason"
_LEVELS = ("in", "edge", "out")  # of a prediction's domain, best first
_COMPUTED = {"formula", "n_atoms", "volume_per_atom", "known", SCORE, BOUND, PASSED}
_COMPUTED |= {DOMAIN, REASON}
COUNTS, REJECTED_ROWS = b"xtalgraph.counts", b"xtalgraph.rejected"  # metadata of a part


@dataclass(frozen=True, eq=False)
class ScreenSpec:
    """The settings of a screen; they can be sent to other processes.

    Attributes:
        models: Paths or names, as for `load_model`.
        where: An expression that candidates must satisfy; if empty, all pass.
        rank_by: An expression, smallest first; if empty, the first predicted number.
        exclude: Elements.
        charge_balance: Keep only candidates that common oxidation states make neutral.
        known: Crystals to compare with, if any.
        device: The device that predicts.
    """

    models: tuple[str, ...]
    where: str = ""
    rank_by: str = ""
    exclude: tuple[str, ...] = ()
    charge_balance: bool = False
    device: str = "cpu"
    known: KnownCrystals | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class ChunkResult:
    """The result of a chunk: what passed, the counts at each filter, and what was rejected."""

    table: pa.Table  # structures in the format of `write_parquet`, then columns
    predicted: pa.Table  # everything predicted: quantities, sites of a perovskite, `passed`
    counts: Mapping[str, int]  # in the order of the filters, `passed` last
    rejected: tuple[Rejected, ...]

    def as_part(self) -> pa.Table:
        """Return the result as one table, with counts and rejected rows in its metadata."""
        rejected = [[row.id, row.reason] for row in self.rejected]
        return self.table.replace_schema_metadata(
            {COUNTS: json.dumps(dict(self.counts)), REJECTED_ROWS: json.dumps(rejected)}
        )


@dataclass(frozen=True, eq=False)
class _Described:
    """Crystals with all their columns, and those that could not be predicted."""

    frame: pd.DataFrame
    crystals: CrystalStore
    rejected: tuple[Rejected, ...]


class Screener:
    """Loads the models once, and screens one chunk after another."""

    def __init__(self, spec: ScreenSpec) -> None:
        if not spec.models:
            raise BadConfig("no model to screen with. Name one or more (--model).")
        self.spec = spec
        self.predictors = [load_model(name, device=spec.device) for name in spec.models]
        self.targets = _read_targets(self.predictors)
        self.quantities = _list_quantities(self.predictors)
        self.where: Expression | None = None
        self.rank_by: Expression | None = None

    def prepare(self, candidates: Candidates) -> None:
        """Compile both expressions for the columns of such candidates."""
        nothing = self._set_aside(_take(candidates, np.empty(0, np.int64)))
        columns = list(self._describe(nothing).frame.columns)
        if self.spec.where:
            self.where = compile_expression(self.spec.where, columns)
        self.rank_by = compile_expression(self.spec.rank_by or self._first_number(), columns)

    def screen(self, chunk: Chunk) -> ChunkResult:
        """Build the candidates of a chunk, filter and predict them, and keep those that pass."""
        candidates = self._set_aside(chunk.make())
        if self.rank_by is None:
            self.prepare(candidates)
        counts = {"candidates": candidates.n_candidates, **candidates.left_out}
        candidates = self._filter(candidates, counts)
        described = self._describe(candidates)
        frame, rejected = described.frame, (*candidates.rejected, *described.rejected)
        counts |= {"rejected": len(rejected), "predicted": len(frame)}
        arrays = {str(name): _as_array(frame[name]) for name in frame.columns}
        passes = np.ones(len(frame), bool) if self.where is None else self.where.test(arrays)
        frame = frame.assign(**self._score(arrays))
        kept = np.flatnonzero(passes)
        counts[PASSED] = len(kept)
        dataset = Dataset(
            "passed",
            described.crystals.take(kept),
            frame.iloc[kept].reset_index(drop=True),
            {**candidates.targets, **self.targets},
            "screening",
            "",
        )
        return ChunkResult(
            as_table(dataset), self._list_predicted(arrays, passes), counts, rejected
        )

    def _list_predicted(self, arrays: Mapping[str, np.ndarray], passes: np.ndarray) -> pa.Table:
        """Return all predictions of a chunk, a few bytes each, for distributions and maps."""
        columns = {name: pa.array(arrays[name].astype(np.float32)) for name in self.quantities}
        if set(SITES) <= set(arrays):
            columns |= {
                site: pa.array(arrays[site], pa.string()).dictionary_encode() for site in SITES
            }
        return pa.table(columns | {PASSED: pa.array(passes)})

    def _set_aside(self, candidates: Candidates) -> Candidates:
        """Rename the candidates' own columns whose names clash with computed ones."""
        taken = _COMPUTED | {*self.targets, *self.quantities}
        names = {
            name: f"{name}_in_table"
            for name in map(str, candidates.columns.columns)
            if name in taken
        }
        if not names:
            return candidates
        targets = {
            names.get(name, name): replace(target, name=names.get(name, name))
            for name, target in candidates.targets.items()
        }
        columns = candidates.columns.rename(columns=names)
        return replace(candidates, columns=columns, targets=targets)

    def _filter(self, candidates: Candidates, counts: dict[str, int]) -> Candidates:
        """Leave out excluded elements, and candidates that cannot be neutral."""
        kept = np.ones(len(candidates.crystals), dtype=bool)
        if self.spec.exclude:
            for symbol in self.spec.exclude:
                kept &= ~contains_element(candidates.crystals, symbol)
            counts["excluded elements"] = int((~kept).sum())
        if self.spec.charge_balance:
            neutral = can_be_neutral(candidates.crystals)
            counts["charge balance"] = int((kept & ~neutral).sum())
            kept &= neutral
        return candidates if kept.all() else _take(candidates, np.flatnonzero(kept))

    def _describe(self, candidates: Candidates) -> _Described:
        """Return all columns of the candidates that every model can predict."""
        store = candidates.crystals
        bad: dict[str, Rejected] = {}
        tables = []
        for predictor in self.predictors:
            found: list[Rejected] = []
            tables.append(predictor.predict(store, rejected=found).to_frame())
            bad |= {row.id: row for row in found if row.id not in bad}
        rows = np.array([row for row, id in enumerate(store.ids) if id not in bad], dtype=np.int64)
        kept = store if not bad else store.take(rows)
        formulas = reduced_formulas(kept)
        frame = candidates.columns.iloc[rows].reset_index(drop=True)
        volumes = np.abs(np.linalg.det(kept.lattices)) / kept.n_atoms
        frame = frame.assign(
            formula=np.array(formulas, dtype=object),
            n_atoms=kept.n_atoms,
            volume_per_atom=volumes,
        )
        if self.spec.known is not None:
            frame["known"] = self.spec.known.compare(kept, formulas)
        for table in tables:
            good = table[~table["id"].isin(bad)] if bad else table
            _add_predictions(frame, good.reset_index(drop=True))
        return _Described(frame, kept, tuple(bad.values()))

    def _first_number(self) -> str:
        for predictor in self.predictors:
            if predictor.task.kind == "regression":
                return plain_name(predictor.task.targets[0].name)
        return f"-{self.quantities[len(self.predictors[0].task.classes) - 1]}"

    def _score(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the score to rank by, and its worst value within the uncertainties.

        The worst is the largest value at the corners of prediction ± uncertainty of its columns.
        """
        rank_by = self.rank_by
        if rank_by is None:
            raise BadConfig("nothing to rank by: call `prepare` first.")
        scores = {SCORE: rank_by.measure(arrays)}
        uncertain = sorted(name for name in rank_by.names if name + UNCERTAINTY in arrays)
        if uncertain:
            corners = []
            for signs in itertools.product((-1, 0, 1), repeat=len(uncertain)):
                moved = {
                    name: arrays[name] + sign * arrays[name + UNCERTAINTY]
                    for name, sign in zip(uncertain, signs, strict=True)
                }
                corners.append(rank_by.measure({**arrays, **moved}))
            scores[BOUND] = np.max(corners, axis=0)
        return scores


def plain_name(header: str) -> str:
    """Return the name of a column in expressions: no unit, with `_` for spaces and symbols.

    >>> plain_name("energy_above_hull uncertainty [eV/atom]"), plain_name("log10(K_VRH)")
    ('energy_above_hull_uncertainty', 'log10_K_VRH')
    """
    name = read_target_header(header).name
    return "_".join("".join(sign if sign.isalnum() else " " for sign in name).split())


def _read_targets(predictors: list[Predictor]) -> dict[str, Target]:
    """Return the units of predicted columns by name in expressions; duplicates are refused."""
    found: dict[str, Target] = {}
    for predictor in predictors:
        empty = predictor.predict(CrystalStore.from_crystals([])).to_frame()
        for header in empty.columns.drop("id"):
            name = plain_name(header)
            if name in found and name not in (DOMAIN, REASON):
                raise BadConfig(
                    f"two models predict {name}. Use one of them, or an ensemble of both."
                )
            target = read_target_header(header)
            found[name] = Target(name, target.unit, target.per)
    return {name: target for name, target in found.items() if target.unit}


def _list_quantities(predictors: list[Predictor]) -> tuple[str, ...]:
    """Return the names of the predicted numbers: targets, or probabilities of classes."""
    found: list[str] = []
    for predictor in predictors:
        task = predictor.task
        if task.kind == "regression":
            found += [plain_name(target.name) for target in task.targets]
        else:
            found += [plain_name(f"probability {word}") for word in task.classes]
    return tuple(found)


def _add_predictions(frame: pd.DataFrame, table: pd.DataFrame) -> None:
    """Add the columns of one model; of two domains, the worse one is kept."""
    for header in table.columns.drop("id"):
        name, values = plain_name(header), table[header]
        if name not in (DOMAIN, REASON) or name not in frame:
            frame[name] = values.to_numpy()
        elif name == REASON:
            both = zip(frame[name], values, strict=True)
            frame[name] = ["; ".join(text for text in pair if text) for pair in both]
        else:
            both = zip(frame[name], values, strict=True)
            frame[name] = [max(pair, key=_LEVELS.index) for pair in both]


def _take(candidates: Candidates, rows: np.ndarray) -> Candidates:
    return Candidates(
        candidates.crystals.take(rows),
        candidates.columns.iloc[rows].reset_index(drop=True),
        candidates.targets,
        candidates.left_out,
        candidates.rejected,
    )


def _as_array(column: pd.Series) -> np.ndarray:
    kind = column.dtype.kind
    return column.to_numpy() if kind in "fiub" else column.to_numpy(dtype=object)


N_DISTANCES = 16
VOLUME = 12.0  # Å³ per atom, to which all crystals are scaled before they are compared
TOLERANCE = 0.1  # Å at that scale: about 4 % of a bond, as between a relaxed and a built cell
FORMULA, STRUCTURE, NEW = "formula", "structure", ""


@dataclass(frozen=True, eq=False)
class KnownCrystals:
    """The crystals of a table, recognised by reduced formula and by distances.

    Attributes:
        rows: Numbers of the crystals with each reduced formula.
        fingerprints: Mean distances of each crystal by element, scaled to the same volume per atom.
        checksum: Identifies the table.
    """

    rows: dict[str, list[int]]
    fingerprints: list[np.ndarray]
    checksum: str

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> KnownCrystals:
        """Return an index of the crystals of a data set, about 400 bytes each."""
        rows: dict[str, list[int]] = {}
        for row, formula in enumerate(reduced_formulas(dataset.crystals)):
            rows.setdefault(formula, []).append(row)
        return cls(rows, _fingerprints(dataset.crystals), dataset.checksum)

    def compare(self, store: CrystalStore, formulas: list[str]) -> np.ndarray:
        """Return `structure`, `formula` or an empty string for each crystal.

        Args:
            store: The crystals to look up.
            formulas: Their reduced formulas.

        Returns:
            `structure` if the table has a crystal with the same reduced formula whose mean
            distances, element by element and after scaling to the same volume per atom, are equal
            within 0.1 Å; `formula` if it only has the formula. A cell that was built too large is
            thus recognised, while SrTiO3 with Sr and Ti exchanged is not.
        """
        found = np.full(len(store), NEW, dtype=object)
        same = [row for row, formula in enumerate(formulas) if formula in self.rows]
        found[same] = FORMULA
        for row, mine in zip(same, _fingerprints(store.take(same)), strict=True):
            if any(
                np.abs(mine - self.fingerprints[other]).max() <= TOLERANCE
                for other in self.rows[formulas[row]]
            ):
                found[row] = STRUCTURE
        return found


def _fingerprints(store: CrystalStore) -> list[np.ndarray]:
    if not len(store):
        return []
    volumes = np.abs(np.linalg.det(store.lattices)) / store.n_atoms
    scale = np.cbrt(VOLUME / volumes)
    scaled = replace(store, lattices=store.lattices * scale[:, None, None])
    return mean_distances(scaled, nearest_distances(scaled, N_DISTANCES))
