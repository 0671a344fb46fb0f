"""The pre-flight: what a data set holds, and whether training on it would fail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from xtalgraph.data.cells import as_floats
from xtalgraph.data.composition import count_crystals_by_element
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.duplicates import (
    N_DISTANCES,
    NearestDistances,
    find_duplicates,
    iterate_chunks,
    mean_distances,
)
from xtalgraph.data.question import (
    CLASSIFICATION,
    OUTLIER_WIDTH,
    TASK_KINDS,
    guess_task,
    pose_question,
    read_target_names,
)
from xtalgraph.data.read import read_dataset
from xtalgraph.data.report import (
    CheckReport,
    TargetSummary,
    shorten,
    summarise_classes,
    summarise_numbers,
)
from xtalgraph.data.splits import DEFAULT_SPLIT, PARTS, Split, make_split
from xtalgraph.errors import BadDataset, Rejected, UnknownName, XtalgraphError, summarise
from xtalgraph.structures.elements import SYMBOLS
from xtalgraph.tolerances import OVERLAP, SAME_SHELL

RARE = 5
"""An element or a class in fewer crystals than this is hardly learned."""

LAST_KNOWN_ELEMENT = 100
"""The element vectors of the paper end with fermium."""

_FEW = 50  # labelled crystals


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
    known_elements: Collection[int] = range(1, LAST_KNOWN_ELEMENT + 1),
    match: str = "exact",
) -> CheckReport:
    """Check a data set before training: what it contains, and what would make training fail.

    The labels and the split are judged by `pose_question`, as training judges them.

    Args:
        source: A data set, or what `read_dataset` takes.
        target: One name, or several separated by commas or as a list. Without it all numeric
            columns are described, and no label is demanded.
        task: `regression` or `classification`; what the columns are for if None.
        split: As `make_split` takes it.
        seed: Of a random split.
        nearest_distances: Gives the smallest distances of each atom. Isolated sites, overlaps, ties
            at the last neighbour and the exact search for duplicates need it, and are left out
            without it.
        n_neighbours: Of the rule of neighbours.
        rule: Of neighbours; ties matter for `nearest`.
        known_elements: Atomic numbers that the network will have a vector for.
        match: How the ids of a table find their structure files, as `read_dataset` takes it.

    Returns:
        What was found. What is wrong with the data never raises.

    Raises:
        UnknownName: A task that there is not.
    """
    if task is not None and task not in TASK_KINDS:
        raise UnknownName("task", task, TASK_KINDS)
    rejected: list[Rejected] = []
    if isinstance(source, Dataset):
        dataset = source
    else:
        try:
            dataset = read_dataset(source, rejected=rejected, match=match)
        except BadDataset as error:
            report = CheckReport(str(source), problems=[str(error)])
            report.rejected = [{"id": one.id, "reason": one.reason} for one in rejected]
            return report
    report = CheckReport(dataset.source, dataset.checksum)
    report.warnings += dataset.remarks
    _check_rejected(report, rejected, len(dataset) + len(rejected))
    rows = _check_question(report, dataset, target, task, split, seed)
    _check_crystals(report, dataset, rows, known_elements)
    fingerprints = None
    if nearest_distances is not None:
        k = max(N_DISTANCES, n_neighbours + 1)
        fingerprints = _check_distances(
            report, dataset, rows, nearest_distances, k, n_neighbours, rule
        )
    names = [summary.name for summary in report.targets] if target is not None else []
    _check_duplicates(report, dataset, names, fingerprints)
    return report


def _check_rejected(report: CheckReport, rejected: Sequence[Rejected], n_rows: int) -> None:
    report.rejected = [{"id": one.id, "reason": one.reason} for one in rejected]
    if rejected:
        report.problems.append(
            f"{len(rejected)} of {n_rows} crystals cannot be read:\n{summarise(rejected)}"
        )


def _check_question(
    report: CheckReport,
    dataset: Dataset,
    target: str | Sequence[str] | None,
    task: str | None,
    split: str,
    seed: int,
) -> np.ndarray:
    """Describe the targets, ask what training would ask, and return the rows that it would use."""
    every = np.arange(len(dataset))
    if target is None:
        report.targets = [summarise_numbers(dataset, name) for name in dataset.targets]
        if not dataset.targets:
            report.warnings.append("no column of numbers: good for prediction, not for regression")
        try:
            _count_parts(report, make_split(dataset, split, seed), every)
        except XtalgraphError as error:
            report.problems.append(str(error))
        return every
    used: set[int] = set()
    try:
        names = read_target_names(target)
        kind = task or guess_task(dataset, names)
        if kind == CLASSIFICATION:  # of which there is but one target
            return _ask(report, dataset, names, kind, split, seed)
    except XtalgraphError as error:
        report.problems.append(str(error))
        return every
    for name in names:  # one by one, so that each says what is wrong with it
        try:
            used |= set(_ask(report, dataset, [name], kind, split, seed).tolist())
        except XtalgraphError as error:
            report.problems += [str(error)] if str(error) not in report.problems else []
    return np.array(sorted(used), dtype=np.int64) if used else every


def _ask(
    report: CheckReport, dataset: Dataset, names: list[str], kind: str, split: str, seed: int
) -> np.ndarray:
    """Return the rows of the parts that have labels, or raise what training would raise."""
    for name in names[:1]:
        if kind == CLASSIFICATION:
            summary = summarise_classes(dataset, name)
        else:
            if name not in dataset.targets:
                dataset.values([name])  # says what is wrong with the column
            summary = summarise_numbers(dataset, name)
        report.targets.append(summary)
        _warn_of_labels(report, summary)
    question = pose_question(dataset, names, kind, split, seed)
    rows = np.concatenate([question.rows(part) for part in PARTS])
    _count_parts(report, question.split, rows)
    return rows


def _count_parts(report: CheckReport, split: Split, rows: np.ndarray) -> None:
    report.split = {part: int(np.isin(split.part(part), rows).sum()) for part in PARTS}


def _check_crystals(
    report: CheckReport, dataset: Dataset, rows: np.ndarray, known_elements: Collection[int]
) -> None:
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
    used = count_crystals_by_element(dataset.crystals.take(rows))
    unknown = [number for number in np.flatnonzero(counts).tolist() if number not in known_elements]
    for among, where in (
        ([SYMBOLS[number] for number in unknown if used[number]], report.problems),
        ([SYMBOLS[number] for number in unknown if not used[number]], report.warnings),
    ):
        if among:
            where.append(
                f"the network has no vector for {shorten(among)}. Leave these crystals out, or "
                "train with model.element_vectors = 'learned'."
            )


def _warn_of_labels(report: CheckReport, summary: TargetSummary) -> None:
    """Report what is unusual about the labels of a target that can be learned."""
    name = summary.column
    if 0 < summary.n_labels < _FEW:
        report.warnings.append(f"{name} has {summary.n_labels} labels; expect little below {_FEW}")
    rare = [cls for cls, count in summary.classes.items() if count < RARE]
    if rare:
        report.warnings.append(f"{name}: classes of fewer than {RARE} crystals: {shorten(rare)}")
    if summary.outliers:
        named = [f"{id} ({value:g})" for id, value in summary.outliers]
        report.warnings.append(
            f"{name}: {len(named)} outliers, further than {OUTLIER_WIDTH:g} × IQR / 1.349 from the "
            f"median: {shorten(named)}"
        )


def _check_distances(
    report: CheckReport,
    dataset: Dataset,
    used: np.ndarray,
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
        report.rejected += [{"id": str(dataset.ids[row]), "reason": reason} for row in rows]
        is_used = np.isin(rows, used)
        for ids, where in ((rows[is_used], report.problems), (rows[~is_used], report.warnings)):
            if len(ids):
                names = [str(id) for id in dataset.ids[ids]]
                where.append(f"{len(names)} crystals have {reason}: {shorten(names)}")
    if report.n_ties and rule == "nearest":
        report.warnings.append(
            f"in {report.n_ties} crystals the neighbours {n_neighbours} and {n_neighbours + 1} are "
            "equally far: the rule 'nearest' cuts between them, so that what it gives, as with the "
            "2018 code, depends on the order of atoms; 'shell' does not: "
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
