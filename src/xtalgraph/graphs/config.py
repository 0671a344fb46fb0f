"""Which atoms are neighbours: the settings of a crystal graph."""

from __future__ import annotations

from dataclasses import dataclass

from xtalgraph.settings import check_settings, explained, setting


@dataclass(frozen=True)
class NeighbourRule:
    """Which atoms are neighbours: the search, and whether its edges are weighted."""

    search: str  # shell | nearest | radius
    weighs: bool = False  # one more neighbour is searched for; its distance is the atom's reach


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

    `shell` takes the `n_neighbours` nearest atoms and completes the last shell (ties within 1e-3
    Å), so that the graph does not depend on the order of atoms or the choice of the cell; `smooth`
    takes those nearer than the next one, whose distance d is the atom's reach (at most `cutoff`),
    with edge weight (1 - (r/d)⁶)², which is continuous when a neighbour enters or leaves;
    `nearest` takes exactly `n_neighbours`, like the 2018 code; `radius` takes all within `cutoff`.
    """

    rule: str = setting(
        "shell", "Which atoms are neighbours.", choices=RULES, kind="neighbour rule"
    )
    n_neighbours: int = setting(
        12, "Number of neighbours, as in the paper; unused by the rule radius.", at_least=1
    )
    cutoff: float = setting(8.0, "Longest edge.", above=0, at_most=100, unit="Å")
    isolated: str = setting(
        "error",
        "What to do about a site without a neighbour within the cutoff.",
        choices=ISOLATED_POLICIES,
        kind="policy for isolated sites",
    )

    def __post_init__(self) -> None:
        check_settings(self, "graph")
