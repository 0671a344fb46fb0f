"""The pre-flight: what a data set holds, and whether training on it would fail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xtalgraph.data.cells import as_floats, find_present
from xtalgraph.data.composition import count_crystals_by_element
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.duplicates import (
    N_DISTANCES,
    NearestDistances,
    find_duplicates,
    iterate_chunks,
    mean_distances,
)
from xtalgraph.data.read import read_dataset
from xtalgraph.data.report import (
    OUTLIER_WIDTH,
    CheckReport,
    TargetSummary,
    shorten,
    summarise_classes,
    summarise_numbers,
)
from xtalgraph.data.splits import DEFAULT_SPLIT, PARTS, make_split
from xtalgraph.errors import BadConfig, BadDataset, Rejected, UnknownName, XtalgraphError, summarise
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.tolerances import OVERLAP, SAME_SHELL

RARE = 5
"""An element or a class in fewer crystals than this is hardly learned."""

LAST_KNOWN_ELEMENT = 100
"""The element vectors of the paper end with fermium."""

_FEW = 50  # labelled crystals
_TASKS = ("regression", "classification")


def check_dataset(
    source: str | Path | Sequence[str | Path] | Dataset,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    split: str = DEFAULT_SPLIT,
    seed: int = 0,
    nearest_distances: NearestDistances | None = None,
    n_neighbours: int = 12,
    rule: str = "shell",
) -> CheckReport:
    """Look a data set over before training: what is in it, and what would fail.

    `target` is one name, several separated by commas or as a list; without it all numeric columns
    are described, and no label is demanded. `task` follows from the kind of the column. The graph
    kernel is no business of this room, so isolated sites, overlaps, ties at the last neighbour and
    the exact search for duplicates need `nearest_distances`, which gives the smallest distances of
    each atom; without it they are left out. What is wrong with the data never raises.
    """
    rejected: list[Rejected] = []
    if isinstance(source, Dataset):
        dataset = source
    else:
        try:
            dataset = read_dataset(source, rejected=rejected)
        except BadDataset as error:
            report = CheckReport(str(source), problems=[str(error)])
            report.rejected = [{"id": one.id, "reason": one.reason} for one in rejected]
            return report
    report = CheckReport(dataset.source, dataset.checksum)
    _check_rejected(report, rejected, len(dataset) + len(rejected))
    _check_ids(report, dataset)
    _check_crystals(report, dataset)
    names = _read_names(target)
    labelled = _check_targets(report, dataset, names, task)
    _check_split(report, dataset.take(labelled), split, seed)
    fingerprints = None
    if nearest_distances is not None:
        k = max(N_DISTANCES, n_neighbours + 1)
        fingerprints = _check_distances(report, dataset, nearest_distances, k, n_neighbours, rule)
    _check_duplicates(report, dataset, names, fingerprints)
    return report


def _read_names(target: str | Sequence[str] | None) -> list[str]:
    if target is None:
        return []
    names = target.split(",") if isinstance(target, str) else list(target)
    return [name.strip() for name in names]


def _check_rejected(report: CheckReport, rejected: Sequence[Rejected], n_rows: int) -> None:
    report.rejected = [{"id": one.id, "reason": one.reason} for one in rejected]
    if rejected:
        report.problems.append(
            f"{len(rejected)} of {n_rows} crystals cannot be read:\n{summarise(rejected)}"
        )


def _check_ids(report: CheckReport, dataset: Dataset) -> None:
    repeated = dataset.repeated_ids()
    if repeated:
        report.problems.append(
            f"{len(repeated)} ids stand for several rows: {shorten(repeated)}. "
            "Give each row its own id; a split is saved by ids."
        )


def _check_crystals(report: CheckReport, dataset: Dataset) -> None:
    sizes = dataset.crystals.n_atoms
    report.n_crystals, report.n_atoms = len(dataset), int(sizes.sum())
    report.atoms_per_crystal = {
        "min": float(sizes.min()),
        "median": float(np.median(sizes)),
        "mean": round(float(sizes.mean()), 2),
        "max": float(sizes.max()),
    }
    counts = count_crystals_by_element(dataset.crystals)
    report.elements = {SYMBOLS[z]: int(counts[z]) for z in np.flatnonzero(counts)}
    rare = [symbol for symbol, count in report.elements.items() if count < RARE]
    if rare:
        report.warnings.append(f"elements in fewer than {RARE} crystals: {shorten(rare)}")
    beyond = [symbol for symbol in report.elements if SYMBOLS.index(symbol) > LAST_KNOWN_ELEMENT]
    if beyond:
        report.warnings.append(
            f"the paper's element vectors end at {SYMBOLS[LAST_KNOWN_ELEMENT]}: "
            f"{shorten(beyond)} need learned ones (element_vectors = 'learned')"
        )


def _check_targets(
    report: CheckReport, dataset: Dataset, names: list[str], task: str | None
) -> np.ndarray:
    """Summarise the targets and give the rows that have a label of any; all, if none is named."""
    if task is not None and task not in _TASKS:
        raise UnknownName("task", task, _TASKS)
    if not names:
        report.targets = [summarise_numbers(dataset, name) for name in dataset.targets]
        if not dataset.targets:
            report.warnings.append("no column of numbers: good for prediction, not for regression")
        return np.arange(len(dataset))
    labelled = np.zeros(len(dataset), dtype=bool)
    for name in names:
        try:
            summary = _summarise(dataset, name, task)
            report.targets.append(summary)
            _judge(report, summary)
            labelled |= _find_labelled(dataset, name)
        except XtalgraphError as error:
            report.problems.append(str(error))
    return np.flatnonzero(labelled)


def _find_labelled(dataset: Dataset, name: str) -> np.ndarray:
    if dataset.is_computed(name):
        return np.array([label is not None for label in dataset.labels(name)])
    return find_present(dataset.table[name])


def _summarise(dataset: Dataset, name: str, task: str | None) -> TargetSummary:
    if task == "classification" or (task is None and name not in dataset.targets):
        return summarise_classes(dataset, name)
    if name not in dataset.targets:
        dataset.values([name])  # says what is wrong with the column
    return summarise_numbers(dataset, name)


def _judge(report: CheckReport, summary: TargetSummary) -> None:
    """Report what would make training on this target fail, or is unusual about it."""
    name = summary.column
    if summary.not_finite:
        report.problems.append(
            f"{name} is infinite for {shorten(list(summary.not_finite))}. Leave these cells blank."
        )
    if summary.n_labels == 0:
        report.problems.append(f"{name} has no labels. Is this the right column?")
    elif summary.n_labels < _FEW:
        report.warnings.append(f"{name} has {summary.n_labels} labels; expect little below {_FEW}")
    if summary.mean is not None and summary.min == summary.max:
        report.problems.append(
            f"{name} is {summary.min:g} for every crystal: there is nothing to learn"
        )
    if len(summary.classes) == 1:
        report.problems.append(f"{name} has one class only, {next(iter(summary.classes))!r}")
    rare = [cls for cls, count in summary.classes.items() if count < RARE]
    if rare:
        report.warnings.append(f"{name}: classes of fewer than {RARE} crystals: {shorten(rare)}")
    if summary.outliers:
        named = [f"{id} ({value:g})" for id, value in summary.outliers]
        report.warnings.append(
            f"{name}: {len(named)} outliers, further than {OUTLIER_WIDTH:g} × IQR / 1.349 from the "
            f"median: {shorten(named)}"
        )


def _check_split(report: CheckReport, dataset: Dataset, spec: str, seed: int) -> None:
    if not len(dataset) or dataset.repeated_ids():
        return  # told already
    try:
        split = make_split(dataset, spec, seed)
    except (BadDataset, BadConfig, UnknownName) as error:
        report.problems.append(f"the split {spec!r} is not possible: {error}")
        return
    report.split = {part: len(split.part(part)) for part in PARTS}


def _check_distances(
    report: CheckReport,
    dataset: Dataset,
    nearest_distances: NearestDistances,
    k: int,
    n_neighbours: int,
    rule: str,
) -> list[np.ndarray]:
    """Find isolated sites, overlaps and ties, and give the fingerprints of all crystals."""
    isolated, overlapping, tied, shortest = [], [], [], np.inf
    fingerprints: list[np.ndarray] = []
    for first, store in iterate_chunks(dataset.crystals):
        distances = np.asarray(nearest_distances(store, k), dtype=np.float64)
        crystal = first + np.repeat(np.arange(len(store)), store.n_atoms)
        nearest, last, beyond = distances[:, [0, n_neighbours - 1, n_neighbours]].T
        isolated.append(np.unique(crystal[np.isinf(nearest)]))
        overlapping.append(np.unique(crystal[nearest < OVERLAP]))
        tied.append(np.unique(crystal[np.isfinite(beyond) & (last > beyond - SAME_SHELL)]))
        shortest = min(shortest, float(nearest.min()))
        fingerprints += mean_distances(store, distances[:, :N_DISTANCES])
    report.shortest_distance = shortest if np.isfinite(shortest) else None
    report.ties = [str(id) for id in dataset.ids[np.concatenate(tied)]]
    report.n_ties = len(report.ties)
    for rows, reason in (
        (np.concatenate(isolated), "a site without any neighbour within the cutoff"),
        (np.concatenate(overlapping), f"two atoms nearer than {OVERLAP} Å"),
    ):
        ids = [str(id) for id in dataset.ids[rows]]
        report.rejected += [{"id": id, "reason": reason} for id in ids]
        if ids:
            report.problems.append(f"{len(ids)} crystals have {reason}: {shorten(ids)}")
    if report.n_ties and rule == "nearest":
        report.warnings.append(
            f"in {report.n_ties} crystals the neighbours {n_neighbours} and {n_neighbours + 1} are "
            "equally far: the rule 'nearest' cuts between them, so that what it gives, as with the "
            "code of 2018, depends on the order of atoms; 'shell' does not: "
            f"{shorten(report.ties)} (--json lists all)"
        )
    return fingerprints


def _check_duplicates(
    report: CheckReport,
    dataset: Dataset,
    names: list[str],
    fingerprints: list[np.ndarray] | None,
) -> None:
    groups = find_duplicates(dataset.crystals, fingerprints)
    report.duplicates = [[str(id) for id in dataset.ids[group]] for group in groups]
    if not groups:
        return
    n_more = sum(len(group) - 1 for group in groups)
    shown = [" = ".join(ids[:4]) for ids in report.duplicates]
    alike = "formula and volume"
    if fingerprints is not None:
        alike = f"formula, volume and {N_DISTANCES} mean distances"
    report.warnings.append(
        f"{n_more} crystals look like another ({alike} agree): {shorten(shown)}. "
        "A random split may put them on both sides; group:formula does not"
    )
    for name in names:
        if name in dataset.targets:
            _warn_of_contradictions(report, dataset, name, groups)


def _warn_of_contradictions(
    report: CheckReport, dataset: Dataset, name: str, groups: list[list[int]]
) -> None:
    """Name the same structures whose labels differ by more than a tenth of the target's spread."""
    values = as_floats(dataset.table[name])
    known = values[np.isfinite(values)]
    spread = float(known.std()) if len(known) else 0.0
    contradictions = []
    for group in groups:
        labels = values[group][np.isfinite(values[group])]
        if len(labels) > 1 and np.ptp(labels) > 0.1 * spread:
            ids = " = ".join(str(dataset.ids[row]) for row in group[:4])
            contradictions.append(f"{ids} (differ by {np.ptp(labels):.3g})")
    if contradictions:
        report.warnings.append(
            f"{dataset.targets[name].column}: {len(contradictions)} lookalikes with labels that "
            f"differ by more than a tenth of the spread: {shorten(contradictions)}"
        )
