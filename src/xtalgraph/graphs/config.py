"""Which atoms are neighbours: the settings of a crystal graph."""

from __future__ import annotations

from dataclasses import dataclass

from xtalgraph.settings import check_settings, explained, setting


@dataclass(frozen=True)
class NeighbourRule:
    """Which atoms are neighbours: what is searched for, and whether edges are weighed after it."""

    search: str  # shell | nearest | radius
    weighs: bool = False  # one more neighbour is searched for: its distance is the atom's reach


RULES = {
    "shell": NeighbourRule("shell"),
    "smooth": NeighbourRule("shell", weighs=True),
    "nearest": NeighbourRule("nearest"),
    "radius": NeighbourRule("radius"),
}
ISOLATED_POLICIES = ("error", "warn", "ignore")


@explained
@dataclass(frozen=True)
class GraphConfig:
    """Settings of the neighbour graph.

    `shell` takes the `n_neighbours` nearest atoms and the last shell whole (ties within 1e-3 Å), so
    that the graph does not depend on the order of atoms or the choice of the cell; `smooth` takes
    those nearer than the next one, whose distance d is the atom's reach (at most `cutoff`), and
    lets each count (1 - (r/d)⁶)²: nothing jumps where a neighbour comes or goes; `nearest` takes
    exactly `n_neighbours`, as the code of 2018 does; `radius` takes all within `cutoff`.
    """

    rule: str = setting(
        "shell", "Which atoms are neighbours.", choices=RULES, kind="neighbour rule"
    )
    n_neighbours: int = setting(
        12, "Number of neighbours, as in the paper; not used by the rule radius.", at_least=1
    )
    cutoff: float = setting(8.0, "Longest edge.", above=0, at_most=100, unit="Å")
    isolated: str = setting(
        "error",
        "What a site without a neighbour within the cutoff leads to.",
        choices=ISOLATED_POLICIES,
        kind="policy for isolated sites",
    )

    def __post_init__(self) -> None:
        check_settings(self, "graph")
