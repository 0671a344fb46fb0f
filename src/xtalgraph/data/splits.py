"""Splits: which crystals train, which choose the best epoch, and which judge at the end."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xtalgraph.data.composition import contains_element
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.files import checksum_texts, explain_unreadable
from xtalgraph.data.groups import assign_groups, find_groups
from xtalgraph.data.text_rows import iterate_even_rows
from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.files import open_atomically, protect, unprotect
from xtalgraph.structures.elements import SYMBOLS

PARTS = ("train", "validation", "test")
"""The parts of a split."""

DEFAULT_SPLIT = "0.6,0.2,0.2"
"""60 % train, 20 % validation, 20 % test, as in the paper."""

_VALIDATION_CUT = 0.1  # of the training set, where the split itself names no validation set
_ALIASES = {"val": "validation", "valid": "validation", "training": "train"}


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of the training, validation and test sets; other rows are not used.

    A row in two sets is refused, and so is an empty training or validation set. The test set may be
    empty.

    Attributes:
        train: Rows of the training set, ascending.
        validation: Rows of the validation set.
        test: Rows of the test set.
    """

    train: np.ndarray  # int64
    validation: np.ndarray
    test: np.ndarray

    def __post_init__(self) -> None:
        for part in ("train", "validation"):
            if len(getattr(self, part)) == 0:
                raise BadDataset(
                    f"the {part} set of the split is empty. "
                    "Give it a larger share; the best epoch is chosen on the validation set."
                )
        rows = np.concatenate([self.train, self.validation, self.test])
        if len(np.unique(rows)) < len(rows):
            raise BadDataset("a row stands in two parts of the split. Give each row one part.")

    def part(self, name: str) -> np.ndarray:
        """Return the rows of `train`, `validation` or `test`."""
        if name not in PARTS:
            raise UnknownName("part of a split", name, PARTS)
        return getattr(self, name)

    def describe(self) -> str:
        """Return the sizes in words."""
        return ", ".join(f"{len(self.part(name)):,} {name}" for name in PARTS)


def make_split(dataset: Dataset, spec: str = DEFAULT_SPLIT, seed: int = 0) -> Split:
    """Split a data set; the same seed gives the same split.

    If a column or an element does not determine the validation set, a tenth of the training set is
    drawn for it at random.

    Args:
        dataset: The data set. Ids must be unique, because a split is saved by ids.
        spec: One of

            - `0.6,0.2,0.2`: fractions of train, validation and test; two numbers leave the test set
              empty.
            - `500,100,100`: numbers of crystals, drawn at random; the others are not used.
            - `column:NAME`: a column with train, validation (val, valid) or test.
            - `column:NAME:train=A+B,test=C`: the values of any column.
            - `file:PATH`: a CSV of `id,part`, as written by `write_split`.
            - `group:formula`, `group:crystal_system` or `group:COLUMN`, optionally with fractions
              (`:0.8,0.1,0.1`): crystals of the same reduced formula, crystal system or value stay
              together.
            - `element:Sr`, `element:Sr:0.1`: crystals with the element are the test set, and the
              given fraction of the others is the validation set.
        seed: Random seed.

    Returns:
        The rows of each set.

    Raises:
        BadConfig: The specification has another form.
        BadDataset: Ids repeat, or the training or validation set is empty.
    """
    refuse_repeated_ids(dataset)
    kind, _, rest = spec.strip().partition(":")
    rng = np.random.default_rng(seed)
    if not rest and _is_numbers(kind):
        return _split_by_shares(len(dataset), kind, rng)
    if not rest:
        raise BadConfig(f"split {spec!r} is neither shares nor one of {', '.join(_KINDS)}.{_HELP}")
    if kind not in _KINDS:
        raise UnknownName("kind of split", kind, _KINDS)
    return _KINDS[kind](dataset, rest, rng)


def write_split(path: str | Path, dataset: Dataset, split: Split) -> None:
    """Write a split as CSV with a header: `id,part`, one row for each crystal in a set.

    Args:
        path: The CSV.
        dataset: The data set of the split.
        split: The split.
    """
    refuse_repeated_ids(dataset)
    ids, parts = _list_parts(dataset, split)
    with open_atomically(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("id", "part"), *zip(map(protect, ids), parts, strict=True)])


def read_split(path: str | Path, dataset: Dataset) -> Split:
    """Read a split from a CSV of `id,part`; crystals whose ids are not in it are not used.

    Args:
        path: The CSV.
        dataset: The data set that is split.

    Returns:
        The rows of each set.

    Raises:
        BadDataset: An id is not in the data set or occurs twice, or a part has another name.
    """
    refuse_repeated_ids(dataset)
    with explain_unreadable(Path(path)):
        names, *lines = iterate_even_rows(Path(path))
    names = [name.strip() for name in names]
    if not {"id", "part"} <= set(names):
        raise BadDataset(f"{path}: columns {', '.join(names)}; a split has id and part.")
    ids = [unprotect(line[names.index("id")].strip()) for line in lines]
    repeated = [id for id, count in Counter(ids).items() if count > 1]
    if repeated:
        raise BadDataset(f"{path}: id {repeated[0]!r} is named twice. Keep one row of it.")
    rows = {id: row for row, id in enumerate(dataset.ids.tolist())}
    unknown = [id for id in ids if id not in rows]
    if unknown:
        raise BadDataset(
            f"{path}: {len(unknown)} ids are not in {dataset.source}, first {unknown[0]!r}. "
            "Is this the split of another data set?"
        )
    parts = [_read_part(line[names.index("part")], str(path)) for line in lines]
    numbers = np.array([rows[id] for id in ids], dtype=np.int64)
    return _split_from_masks(numbers, np.array(parts, dtype=object))


def checksum_split(dataset: Dataset, split: Split) -> str:
    """Return the SHA-256 of a split, of its lines `id,part`, sorted.

    Args:
        dataset: The data set of the split.
        split: The split.

    Returns:
        64 hexadecimal digits.
    """
    ids, parts = _list_parts(dataset, split)
    return checksum_texts(sorted(f"{id},{part}" for id, part in zip(ids, parts, strict=True)))


def refuse_repeated_ids(dataset: Dataset) -> None:
    """Raise `BadDataset` where two rows have one id: a split could not distinguish them."""
    repeated = dataset.repeated_ids()
    if repeated:
        raise BadDataset(
            f"{dataset.source}: {len(repeated)} ids stand for several rows, first {repeated[0]!r}. "
            "Give each row its own id, or use dataset.with_unique_ids()."
        )


def _list_parts(dataset: Dataset, split: Split) -> tuple[list[str], list[str]]:
    names = np.full(len(dataset), "", dtype=object)
    for part in PARTS:
        names[split.part(part)] = part
    rows = np.flatnonzero(names != "")
    return dataset.ids[rows].tolist(), names[rows].tolist()


def _split_from_masks(rows: np.ndarray, parts: np.ndarray) -> Split:
    return Split(*(np.sort(rows[parts == part]).astype(np.int64) for part in PARTS))


def _is_numbers(text: str) -> bool:
    try:
        return all(np.isfinite(float(number)) for number in text.split(","))
    except ValueError:
        return False


def read_shares(text: str) -> list[float]:
    """Read `0.6,0.2,0.2`, shares of train, validation and test; a third left out is 0."""
    if not _is_numbers(text):
        raise BadConfig(f"shares {text!r}: write numbers, as in {DEFAULT_SPLIT}.")
    shares = [float(number) for number in text.split(",")]
    shares += [0.0] * (3 - len(shares)) if len(shares) == 2 else []
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise BadConfig(
            f"shares {text!r}: give those of train, validation and test, adding up to 1, "
            f"as in {DEFAULT_SPLIT}."
        )
    return shares


def _split_by_shares(n_rows: int, text: str, rng: np.random.Generator) -> Split:
    if "." in text or "e" in text.lower():
        sizes = apportion(n_rows, read_shares(text))
    else:
        sizes = [int(number) for number in text.split(",")]
        sizes += [0] if len(sizes) == 2 else []
        if len(sizes) != 3 or min(sizes) < 0 or sum(sizes) > n_rows:
            raise BadConfig(
                f"sizes {text!r} for {n_rows} crystals: give the numbers of train, validation and "
                f"test, {n_rows} or less in all. Shares have a point: {DEFAULT_SPLIT}."
            )
    order = rng.permutation(n_rows)
    parts = np.split(order[: sum(sizes)], np.cumsum(sizes)[:2])
    return Split(*(np.sort(part).astype(np.int64) for part in parts))


def apportion(n_rows: int, shares: Sequence[float]) -> list[int]:
    """Return whole sizes that add up to `n_rows`, by largest remainder.

    >>> apportion(10, [0.6, 0.2, 0.2]), apportion(4, [0.6, 0.2, 0.2])
    ([6, 2, 2], [2, 1, 1])
    """
    exact = np.array(shares) * n_rows
    sizes = np.floor(exact + 1e-9).astype(int)
    order = np.argsort(-(exact - sizes), kind="stable")
    sizes[order[: n_rows - sizes.sum()]] += 1
    return sizes.tolist()


def _split_by_column(dataset: Dataset, rest: str, rng: np.random.Generator) -> Split:
    name, _, mapping = rest.partition(":")
    labels = dataset.labels(name)
    if mapping:
        parts_of = _read_mapping(mapping, name, {label for label in labels if label is not None})
        parts = np.array([parts_of.get(label, "") for label in labels], dtype=object)
    else:
        where = f"column {name!r} of {dataset.source}"
        parts = np.array([_read_part(label, where) if label else "" for label in labels], object)
    return _cut_validation(parts, rng, _VALIDATION_CUT)


def _read_mapping(mapping: str, name: str, values: set[str]) -> dict[str, str]:
    """Read `train=A+B,test=C` as part by value."""
    parts_of: dict[str, str] = {}
    for assignment in mapping.split(","):
        part, sign, named = assignment.partition("=")
        if not sign:
            raise BadConfig(f"split {mapping!r}: write train=A+B,test=C with values of {name!r}.")
        part = _read_part(part.strip(), f"split {mapping!r}")
        for value in named.split("+"):
            value = value.strip()
            if value not in values:
                raise UnknownName(f"value of the column {name!r}", value, values)
            if parts_of.setdefault(value, part) != part:
                raise BadConfig(f"split {mapping!r}: {value!r} is named for two parts.")
    return parts_of


def _read_part(text: str, where: str) -> str:
    part = text.strip().lower()
    part = _ALIASES.get(part, part)
    if part not in PARTS:
        raise BadDataset(f"{where}: {text!r} is no part of a split. Write {', '.join(PARTS)}.")
    return part


def _cut_validation(parts: np.ndarray, rng: np.random.Generator, share: float) -> Split:
    """Move a share of the training set, one crystal at least, to an empty validation set."""
    if not (parts == "validation").any():
        train = np.flatnonzero(parts == "train")
        n_cut = min(max(1, round(share * len(train))), len(train))
        parts = parts.copy()
        parts[rng.choice(train, n_cut, replace=False)] = "validation"
    return _split_from_masks(np.arange(len(parts)), parts)


def _split_by_file(dataset: Dataset, rest: str, rng: np.random.Generator) -> Split:
    return read_split(Path(rest).expanduser(), dataset)


def _split_by_group(dataset: Dataset, rest: str, rng: np.random.Generator) -> Split:
    name, _, shares = rest.partition(":")
    groups = find_groups(dataset, name)
    parts = assign_groups(groups, read_shares(shares or DEFAULT_SPLIT), rng)
    return Split(*(np.flatnonzero(parts == part) for part in range(3)))


def _split_by_element(dataset: Dataset, rest: str, rng: np.random.Generator) -> Split:
    symbol, _, share = rest.partition(":")
    if symbol not in SYMBOLS[1:]:
        raise UnknownName("element", symbol, SYMBOLS[1:])
    if share and not (_is_numbers(share) and "," not in share and 0 < float(share) < 1):
        raise BadConfig(f"split element:{rest}: the share of validation must lie in (0, 1).")
    held_out = contains_element(dataset.crystals, symbol)
    if not held_out.any():
        raise BadDataset(f"{dataset.source}: no crystal holds {symbol}. Choose another element.")
    parts = np.where(held_out, "test", "train").astype(object)
    return _cut_validation(parts, rng, float(share) if share else _VALIDATION_CUT)


_KINDS = {
    "column": _split_by_column,
    "file": _split_by_file,
    "group": _split_by_group,
    "element": _split_by_element,
}
_HELP = " Examples: 0.6,0.2,0.2; 500,100,100; column:split; group:formula; element:Sr."
