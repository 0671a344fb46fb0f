"""Which atoms are neighbours: the settings of a crystal graph."""

from __future__ import annotations

from dataclasses import dataclass

from xtalgraph.errors import BadConfig, UnknownName

RULES = ("shell", "smooth", "nearest", "radius")
ISOLATED_POLICIES = ("error", "warn", "ignore")


@dataclass(frozen=True)
class GraphConfig:
    """Settings of the neighbour graph.

    `shell` takes the `n_neighbours` nearest atoms and the last shell whole (ties within 1e-3 Å), so
    that the graph does not depend on the order of atoms or the choice of the cell; `smooth` takes
    those nearer than the next one, whose distance d is the atom's reach (at most `cutoff`), and
    lets each count (1 - (r/d)⁶)²: nothing jumps where a neighbour comes or goes; `nearest` takes
    exactly `n_neighbours`, as the code of 2018 does; `radius` takes all within `cutoff`.
    """

    rule: str = "shell"
    n_neighbours: int = 12  # as in the paper; not used by the rule `radius`
    cutoff: float = 8.0  # Å, as in the paper; no edge is longer
    isolated: str = "error"  # what a site without any neighbour within the cutoff leads to

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UnknownName("neighbour rule", self.rule, RULES)
        if self.isolated not in ISOLATED_POLICIES:
            raise UnknownName("policy for isolated sites", self.isolated, ISOLATED_POLICIES)
        if self.n_neighbours < 1:
            raise BadConfig(f"n_neighbours = {self.n_neighbours}; it must be 1 or more.")
        if not 0 < self.cutoff <= 100:
            raise BadConfig(f"cutoff = {self.cutoff} Å; it must lie in (0, 100].")
