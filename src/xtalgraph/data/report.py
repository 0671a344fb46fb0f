"""What the pre-flight found, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from xtalgraph.data.target_summary import TargetSummary

_SHOWN = 10  # ids, elements or rows named in a line; the dict has them all


@dataclass
class CheckReport:
    """The state of a data set before training.

    `problems` would make training fail or make its result wrong; `warnings` are worth a look.
    Fields that could not be measured are None.
    """

    source: str
    checksum: str = ""
    n_crystals: int = 0
    n_atoms: int = 0
    atoms_per_crystal: dict[str, float] = field(default_factory=dict)
    elements: dict[str, int] = field(default_factory=dict)  # crystals that hold it, by symbol
    targets: list[TargetSummary] = field(default_factory=list)
    split: dict[str, int] = field(default_factory=dict)
    shortest_distance: float | None = None  # Å
    n_ties: int | None = None  # crystals whose k-th and next neighbour are equally far
    ties: list[str] = field(default_factory=list)  # their ids
    duplicates: list[list[str]] | None = None  # ids of the same structure
    rejected: list[dict[str, str]] = field(default_factory=list)  # id and reason
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether training may begin."""
        return not self.problems

    def lines(self) -> list[str]:
        """Give the report as lines of text, the verdict last."""
        lines = [f"{self.source}: {self.n_crystals:,} crystals, {self.n_atoms:,} atoms"]
        if self.atoms_per_crystal:
            sizes = ", ".join(f"{name} {size:g}" for name, size in self.atoms_per_crystal.items())
            lines.append(f"atoms a crystal: {sizes}")
        if self.elements:
            lines.append(f"{len(self.elements)} elements: {shorten(_by_count(self.elements))}")
        lines += [summary.line() for summary in self.targets]
        if self.split:
            lines.append("split: " + ", ".join(f"{n:,} {part}" for part, n in self.split.items()))
        if self.shortest_distance is not None:
            lines.append(f"shortest distance: {self.shortest_distance:.3f} Å")
        lines += [f"warning: {warning}" for warning in self.warnings]
        lines += [f"problem: {problem}" for problem in self.problems]
        n_problems, n_warnings = len(self.problems), len(self.warnings)
        verdict = "ready to train" if self.ok else "training would fail"
        lines.append(f"{verdict}: {_count(n_problems, 'problem')}, {_count(n_warnings, 'warning')}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain numbers, texts, lists and dicts, for JSON."""
        return {"ok": self.ok, **asdict(self)}


def shorten(names: list[str]) -> str:
    """Give the first ten of many names, and how many more there are."""
    more = f", … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _by_count(elements: dict[str, int]) -> list[str]:
    return [f"{symbol} {n:,}" for symbol, n in sorted(elements.items(), key=lambda item: -item[1])]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
