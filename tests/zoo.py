"""The zoo: named crystals on which every law is tested, and changes that must change nothing.

>>> sorted(ZOO)[:3]
['Al2O3', 'CsCl', 'Cu']
"""

from __future__ import annotations

import numpy as np

from xtalgraph.structures import Crystal, lattice_from_parameters

FACE_CENTRED = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
BODY_CENTRED = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])


def transformed(crystal: Crystal, seed: int = 0) -> dict[str, Crystal]:
    """Give the same crystal in other words: only `permuted` changes the order of the atoms.

    The supercell is left out, because it has more atoms; ask for it by its own name.
    """
    return {
        "permuted": permuted(crystal, seed),
        "rotated": rotated(crystal, seed),
        "translated": translated(crystal, seed),
        "wrapped_elsewhere": wrapped_elsewhere(crystal, seed),
        "other_cell": other_cell(crystal, seed),
    }


def permutation(crystal: Crystal, seed: int = 0) -> np.ndarray:
    """Give the order in which `permuted` lists the atoms: atom i of it was atom `order[i]`."""
    return np.random.default_rng(seed).permutation(crystal.n_atoms)


def permuted(crystal: Crystal, seed: int = 0) -> Crystal:
    """Give the crystal with its atoms in another order."""
    order = permutation(crystal, seed)
    positions, numbers = crystal.fractional_positions[order], crystal.atomic_numbers[order]
    return Crystal(crystal.lattice, positions, numbers, crystal.id)


def rotated(crystal: Crystal, seed: int = 0) -> Crystal:
    """Give the crystal turned in space."""
    matrix = np.random.default_rng(seed).normal(size=(3, 3))
    rotation, _ = np.linalg.qr(matrix)
    rotation *= np.sign(np.linalg.det(rotation))
    return _changed(crystal, lattice=crystal.lattice @ rotation)


def translated(crystal: Crystal, seed: int = 0) -> Crystal:
    """Give the crystal with all atoms moved by one vector."""
    shift = np.random.default_rng(seed).uniform(-1, 1, size=3)
    return _changed(crystal, positions=crystal.fractional_positions + shift)


def wrapped_elsewhere(crystal: Crystal, seed: int = 0) -> Crystal:
    """Give the crystal with each atom moved to another cell, as far as three cells away."""
    shifts = np.random.default_rng(seed).integers(-3, 4, size=(crystal.n_atoms, 3))
    return _changed(crystal, positions=crystal.fractional_positions + shifts)


def other_cell(crystal: Crystal, seed: int = 0) -> Crystal:
    """Give the crystal in another cell of the same volume (a unimodular change of basis)."""
    random = np.random.default_rng(seed)
    upper = np.eye(3) + np.triu(random.integers(-1, 2, size=(3, 3)), 1)
    lower = np.eye(3) + np.tril(random.integers(-1, 2, size=(3, 3)), -1)
    return in_cell(crystal, upper @ lower)


def in_cell(crystal: Crystal, change: np.ndarray) -> Crystal:
    """Give the crystal in the cell whose vectors are `change @ lattice`."""
    positions = crystal.fractional_positions @ np.round(np.linalg.inv(change))
    return _changed(crystal, lattice=change @ crystal.lattice, positions=positions)


def supercell(crystal: Crystal, counts: tuple[int, int, int] = (2, 2, 2)) -> Crystal:
    """Give the crystal in a cell several times as large; copies of an atom are not adjacent."""
    return crystal.repeated(*counts)


def random_packing(
    lattice: np.ndarray, symbols: list[str], min_distance: float, seed: int, id: str
) -> Crystal:
    """Give atoms at random places, no two nearer than `min_distance` in Å (the same each time)."""
    random = np.random.default_rng(seed)
    positions = np.empty((0, 3))
    for _ in range(200_000):
        place = random.uniform(size=3)
        apart = positions - place
        # Nearest images by rounding are exact here: all cells given are close to orthogonal.
        distances = np.linalg.norm((apart - np.round(apart)) @ lattice, axis=1)
        if (distances > min_distance).all():
            positions = np.vstack([positions, place])
        if len(positions) == len(symbols):
            return Crystal.from_symbols(lattice, positions, symbols, id)
    raise ValueError(f"{len(symbols)} atoms do not fit into the cell of {id}")


def _changed(
    crystal: Crystal, lattice: np.ndarray | None = None, positions: np.ndarray | None = None
) -> Crystal:
    lattice = crystal.lattice if lattice is None else lattice
    positions = crystal.fractional_positions if positions is None else positions
    return Crystal(lattice, positions, crystal.atomic_numbers, crystal.id)


def _cubic(a: float) -> np.ndarray:
    return a * np.eye(3)


def _elements() -> list[Crystal]:
    graphite = lattice_from_parameters(2.46, 2.46, 6.71, 90, 90, 120)
    layers = [[0, 0, 0.25], [0, 0, 0.75], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
    diamond = 5.431 * FACE_CENTRED
    return [
        Crystal.from_symbols(2.866 * BODY_CENTRED, [[0, 0, 0]], ["Fe"], "Fe"),
        Crystal.from_symbols(3.615 * FACE_CENTRED, [[0, 0, 0]], ["Cu"], "Cu"),
        Crystal.from_symbols(_cubic(3.35), [[0.3, -0.2, 1.7]], ["Po"], "Po"),
        Crystal.from_symbols(diamond, [[0, 0, 0], [0.25] * 3], ["Si", "Si"], "Si"),
        Crystal.from_symbols(graphite, layers, ["C"] * 4, "graphite"),
    ]


def _binaries() -> list[Crystal]:
    wurtzite = lattice_from_parameters(3.25, 3.25, 5.207, 90, 90, 120)
    zinc_oxide = [
        [1 / 3, 2 / 3, 0],
        [2 / 3, 1 / 3, 0.5],
        [1 / 3, 2 / 3, 0.382],
        [2 / 3, 1 / 3, 0.882],
    ]
    tetragonal = np.diag([4.594, 4.594, 2.959])
    rutile = [[0, 0, 0], [0.5] * 3]
    rutile += [[u, v, w] for u, v, w in ((0.305, 0.305, 0), (0.695, 0.695, 0))]
    rutile += [[0.805, 0.195, 0.5], [0.195, 0.805, 0.5]]
    layered = lattice_from_parameters(3.16, 3.16, 18.0, 90, 90, 120)
    sulfide = [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.587], [2 / 3, 1 / 3, 0.413]]
    uranium = [[0, 0, 0], [0.25] * 3, [0.75] * 3]
    halves, ends = [0.5, 0.5, 0.5], [0, 0, 0]
    return [
        Crystal.from_symbols(5.64 * FACE_CENTRED, [ends, halves], ["Na", "Cl"], "NaCl"),
        Crystal.from_symbols(_cubic(4.123), [ends, halves], ["Cs", "Cl"], "CsCl"),
        Crystal.from_symbols(4.07 * FACE_CENTRED, [ends, halves], ["Li", "D"], "LiD"),
        Crystal.from_symbols(wurtzite, zinc_oxide, ["Zn", "Zn", "O", "O"], "ZnO"),
        Crystal.from_symbols(tetragonal, rutile, ["Ti"] * 2 + ["O"] * 4, "TiO2"),
        Crystal.from_symbols(5.47 * FACE_CENTRED, uranium, ["U", "O", "O"], "UO2"),
        Crystal.from_symbols(layered, sulfide, ["Mo", "S", "S"], "MoS2"),
        _corundum(),
    ]


def _corundum() -> Crystal:
    """Give the primitive rhombohedral cell of corundum: 10 atoms."""
    z, x = 0.352, 0.556
    metal = [[z] * 3, [0.5 - z] * 3, [1 - z] * 3, [0.5 + z] * 3]
    oxygen = [[x, 0.5 - x, 0.25], [0.25, x, 0.5 - x], [0.5 - x, 0.25, x]]
    oxygen += [[1 - u for u in site] for site in oxygen]
    lattice = lattice_from_parameters(5.13, 5.13, 5.13, 55.28, 55.28, 55.28)
    return Crystal.from_symbols(lattice, metal + oxygen, ["Al"] * 4 + ["O"] * 6, "Al2O3")


def _perovskites() -> list[Crystal]:
    sites = [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    strontium = Crystal.from_symbols(_cubic(3.905), sites, ["Sr", "Ti", "O", "O", "O"], "SrTiO3")
    skew = np.array([[1, 5, 3], [0, 1, 4], [0, 0, 1]])
    return [
        strontium,
        strontium.repeated(2, 2, 2).with_id("SrTiO3 2x2x2"),
        wrapped_elsewhere(strontium, 5).with_id("SrTiO3 outside the cell"),
        in_cell(strontium, skew).with_id("SrTiO3 very skewed"),
    ]


def _odd_cells() -> list[Crystal]:
    copper = in_cell(
        Crystal.from_symbols(3.615 * FACE_CENTRED, [[0, 0, 0]], ["Cu"], "Cu very skewed"),
        np.array([[1, 0, 0], [-5, 1, 0], [4, 5, 1]]),
    )
    flat = np.diag([3.0, 3.0, 30.0])
    stack = [[0, 0, 0.1], [0.5, 0.5, 0.17], [0.1, 0.6, 0.9]]
    wire = np.diag([2.8, 25.0, 25.0])
    chain = [[0, 0.5, 0.5], [0.4, 0.56, 0.46]]
    triclinic = lattice_from_parameters(5.1, 6.3, 7.2, 78, 99, 112)
    names = ["K", "Mn", "Mn", "P", "O", "O", "F"]
    return [
        copper,
        Crystal.from_symbols(flat, stack, ["Pt", "Bi", "Se"], "flat"),
        Crystal.from_symbols(wire, chain, ["Au", "Te"], "thin"),
        random_packing(triclinic, names, 1.7, 3, "triclinic"),
        random_packing(np.diag([9.0, 10.0, 11.0]), ["Zr", "Cu", "Al"] * 26, 1.9, 4, "glass"),
        random_packing(_cubic(19.5), ["Si", "O", "O", "Pb"] * 111, 2.0, 5, "large"),
    ]


ZOO: dict[str, Crystal] = {
    crystal.id: crystal for crystal in (*_elements(), *_binaries(), *_perovskites(), *_odd_cells())
}
