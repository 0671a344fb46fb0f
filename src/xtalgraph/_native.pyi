"""The loops that are compiled from `native/`: their arguments are checked there, and nothing is
converted. Outputs are arrays that are filled."""

import numpy as np

class Refused(ValueError):
    """A crystal that cannot be searched: `args` are its number, a site or -1, and the reason."""

    args: tuple[int, int, str]

def list_levels() -> list[str]: ...
def level_in_use() -> str: ...
def use_level(level: str) -> None: ...
def find_neighbours(
    lattices: np.ndarray,
    positions: np.ndarray,
    offsets: np.ndarray,
    first: int,
    last: int,
    rule: int,
    n_neighbours: int,
    cutoff: float,
    same_shell: float,
    counts: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
def has_pair_within(lattice: np.ndarray, positions: np.ndarray, radius: float) -> bool: ...
def reduce_lattice(
    lattice: np.ndarray, reduced: np.ndarray, forward: np.ndarray
) -> tuple[int, float]: ...
def weigh_smoothly(
    neighbour: np.ndarray,
    image: np.ndarray,
    distance: np.ndarray,
    counts: np.ndarray,
    n_neighbours: int,
    cutoff: float,
    weight: np.ndarray,
) -> int: ...
def deduplicate(
    atomic_numbers: np.ndarray,
    starts: np.ndarray,
    neighbour: np.ndarray,
    distance: np.ndarray,
    weight: np.ndarray,
    offsets: np.ndarray,
    nodes: np.ndarray,
    edges: np.ndarray,
    lengths_and_weights: np.ndarray,
) -> tuple[int, int]: ...
def expand_near(
    distance: np.ndarray,
    start: float,
    step: float,
    n_functions: int,
    first: np.ndarray,
    basis_values: np.ndarray,
) -> None: ...
def activate(kind: int, rows: np.ndarray, out: np.ndarray) -> None: ...
def sum_gated(
    kind: int,
    from_centre: np.ndarray,
    from_neighbour: np.ndarray,
    bond_weight: np.ndarray,
    first: np.ndarray,
    basis_values: np.ndarray,
    starts: np.ndarray,
    neighbour: np.ndarray,
    edge_weight: np.ndarray,
    scale: np.ndarray | None,
    shift: np.ndarray | None,
    epsilon: np.floating | float | None,
    sums: np.ndarray,
) -> None: ...
def differentiate(
    kind: int,
    from_centre: np.ndarray,
    from_neighbour: np.ndarray,
    bond_weight: np.ndarray,
    first: np.ndarray,
    basis_values: np.ndarray,
    starts: np.ndarray,
    neighbour: np.ndarray,
    edge_weight: np.ndarray,
    scale: np.ndarray | None,
    shift: np.ndarray | None,
    epsilon: np.floating | float | None,
    d_sums: np.ndarray,
    d_centre: np.ndarray,
    d_neighbour: np.ndarray,
    d_weight: np.ndarray,
    d_scale: np.ndarray | None,
    d_shift: np.ndarray | None,
) -> None: ...
def sum_arguments(
    from_centre: np.ndarray,
    from_neighbour: np.ndarray,
    bond_weight: np.ndarray,
    first: np.ndarray,
    basis_values: np.ndarray,
    starts: np.ndarray,
    neighbour: np.ndarray,
    edge_weight: np.ndarray,
    arguments: np.ndarray,
    total: np.ndarray,
    squares: np.ndarray,
) -> None: ...
def sum_gated_arguments(
    kind: int,
    arguments: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    starts: np.ndarray,
    edge_weight: np.ndarray,
    sums: np.ndarray,
) -> None: ...
def differentiate_gate(
    kind: int,
    arguments: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    starts: np.ndarray,
    edge_weight: np.ndarray,
    d_sums: np.ndarray,
    dz: np.ndarray,
    total: np.ndarray,
    product: np.ndarray,
) -> None: ...
def spread_derivative(
    arguments: np.ndarray,
    dz: np.ndarray,
    by_z: np.ndarray,
    by_a: np.ndarray,
    constant: np.ndarray,
    first: np.ndarray,
    basis_values: np.ndarray,
    starts: np.ndarray,
    neighbour: np.ndarray,
    edge_weight: np.ndarray,
    d_centre: np.ndarray,
    d_neighbour: np.ndarray,
    d_weight: np.ndarray,
) -> None: ...
