"""What the compiled loops are given is checked before it is read: shapes, types and ranges."""

from collections.abc import Callable

import numpy as np
import pytest

from xtalgraph import _native

F, D, L = np.float32, np.float64, np.int64


def arguments() -> dict[str, dict[str, np.ndarray]]:
    """Legal arguments by function and name: two crystals, three atoms, four edges, width 2."""
    random = np.random.default_rng(0)

    def rows(*shape: int) -> np.ndarray:
        return random.random(shape, F)

    starts, neighbour = np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1])
    bonds = {
        "first": np.array([0, 1, 2, 0], np.int32), "basis_values": rows(4, 8), "starts": starts,
        "neighbour": neighbour, "edge_weight": rows(4),
    }  # fmt: skip
    parts = {
        "from_centre": rows(3, 4), "from_neighbour": rows(3, 4), "bond_weight": rows(10, 4)
    }  # fmt: skip
    scaling = {"scale": rows(4), "shift": rows(4), "epsilon": 1e-5}
    d_parts = {"d_centre": rows(3, 4), "d_neighbour": rows(3, 4), "d_weight": rows(10, 4)}
    stored = {
        "kind": 1, "arguments": rows(4, 4), "scale": rows(4), "shift": rows(4), "starts": starts,
        "edge_weight": rows(4),
    }  # fmt: skip
    columns = np.zeros(4)
    return {
        "find_neighbours": {
            "lattices": np.stack([4 * np.eye(3)] * 2), "positions": random.random((3, 3)),
            "offsets": np.array([0, 1, 3]), "first": 0, "last": 2, "rule": 1, "n_neighbours": 6,
            "cutoff": 5.0, "same_shell": 1e-3, "counts": np.empty(3, L),
        },
        "has_pair_within": {
            "lattice": 4 * np.eye(3), "positions": random.random((3, 3)), "radius": 1.0
        },
        "reduce_lattice": {
            "lattice": 4 * np.eye(3), "reduced": np.zeros((3, 3)), "forward": np.empty((3, 3), L)
        },
        "weigh_smoothly": {
            "neighbour": neighbour.copy(), "image": np.zeros((4, 3), np.int32),
            "distance": np.ones(4), "counts": np.array([1, 2, 1]), "n_neighbours": 2,
            "cutoff": 5.0, "weight": np.empty(4),
        },
        "deduplicate": {
            "atomic_numbers": np.array([1, 8, 1]), "starts": starts, "neighbour": neighbour,
            "distance": np.ones(4), "weight": np.ones(4), "offsets": np.array([0, 3]),
            "nodes": np.empty((3, 3), L), "edges": np.empty((2, 4), L),
            "lengths_and_weights": np.zeros((2, 4)),
        },
        "expand_near": {
            "distance": np.ones(4), "start": 0.0, "step": 0.2, "n_functions": 10,
            "first": np.empty(4, np.int32), "basis_values": rows(4, 8),
        },
        "activate": {"kind": 1, "rows": rows(3, 4), "out": rows(3, 4)},
        "sum_gated": {"kind": 1} | parts | bonds | scaling | {"sums": rows(3, 2)},
        "differentiate": {"kind": 1} | parts | bonds | scaling | {"d_sums": rows(3, 2)} | d_parts
        | {"d_scale": rows(4), "d_shift": rows(4)},
        "sum_arguments": parts | bonds
        | {"arguments": rows(4, 4), "total": columns, "squares": columns.copy()},
        "sum_gated_arguments": stored | {"sums": rows(3, 2)},
        "differentiate_gate": stored
        | {"d_sums": rows(3, 2), "dz": rows(4, 4), "total": columns, "product": columns.copy()},
        "spread_derivative": {
            "arguments": rows(4, 4), "dz": rows(4, 4), "by_z": rows(4), "by_a": rows(4),
            "constant": rows(4),
        } | bonds | d_parts,
    }  # fmt: skip


FUNCTIONS = arguments()
ARRAYS = [
    (function, name)
    for function, given in FUNCTIONS.items()
    for name, value in given.items()
    if isinstance(value, np.ndarray)
]


def call(function: str, **changed: object) -> object:
    return getattr(_native, function)(**arguments()[function] | changed)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_legal_arguments_are_taken(function):
    call(function)


def test_every_function_of_the_module_is_here():
    own = {name for name in dir(_native) if not name.startswith("_")}
    assert own - {"Refused", "list_levels", "level_in_use", "use_level"} == FUNCTIONS.keys()


@pytest.mark.parametrize(("function", "name"), ARRAYS)
def test_another_type_is_refused_and_not_converted(function, name):
    array = FUNCTIONS[function][name]
    other = D if array.dtype == F else F if array.dtype == D else np.int16
    for changed in (array.astype(other), array.tolist(), array.astype(array.dtype.newbyteorder())):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            call(function, **{name: changed})


SLICES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a row less": lambda array: array[:-1].copy(),
    "a row more": lambda array: np.concatenate([array, array[:1]]),
    "no row": lambda array: array[:0].copy(),
    "a column less": lambda array: array[..., :-1].copy(),
    "a column more": lambda array: np.concatenate([array, array[..., :1]], axis=-1),
}
FREE = {  # rows that may be more or fewer
    ("has_pair_within", "positions"), ("find_neighbours", "lattices"),
    ("find_neighbours", "positions"), ("find_neighbours", "offsets"),
    ("sum_gated", "bond_weight"), ("sum_arguments", "bond_weight"),
    ("spread_derivative", "d_weight"),
}  # fmt: skip


@pytest.mark.parametrize("change", SLICES)
@pytest.mark.parametrize(("function", "name"), ARRAYS)
def test_another_shape_is_refused(function, name, change):
    adds_rows = "row" in change or FUNCTIONS[function][name].ndim == 1
    if (function, name) in FREE and adds_rows and change != "no row":
        return
    if (function, name) == ("has_pair_within", "positions") and change == "no row":
        return
    changed = SLICES[change](FUNCTIONS[function][name])
    with pytest.raises(ValueError, match=":"):
        call(function, **{name: changed})


@pytest.mark.parametrize(("function", "name"), ARRAYS)
def test_rows_that_do_not_follow_each_other_are_refused(function, name):
    wide = np.repeat(FUNCTIONS[function][name], 2, axis=-1)[..., ::2]
    with pytest.raises((TypeError, ValueError)):
        call(function, **{name: wide})


READ_ONLY = {
    "find_neighbours": ["counts"], "weigh_smoothly": ["distance", "weight", "counts"],
    "deduplicate": ["nodes", "edges"], "sum_gated": ["sums"], "activate": ["out"],
    "differentiate": ["d_centre", "d_scale"], "differentiate_gate": ["dz", "total"],
    "spread_derivative": ["dz", "d_weight"], "expand_near": ["first", "basis_values"],
}  # fmt: skip


@pytest.mark.parametrize("function", READ_ONLY)
def test_an_output_that_cannot_be_written_to_is_refused(function):
    for name in READ_ONLY[function]:
        array = FUNCTIONS[function][name].copy()
        array.setflags(write=False)
        with pytest.raises(TypeError):
            call(function, **{name: array})


BEYOND = [
    ("find_neighbours", {"last": 3}, "first and last"),
    ("find_neighbours", {"first": -1}, "first and last"),
    ("find_neighbours", {"offsets": np.array([0, 5, 3])}, "offsets"),
    ("find_neighbours", {"offsets": np.array([-1, 1, 3])}, "offsets"),
    ("find_neighbours", {"offsets": np.array([0, 1, 4])}, "offsets"),
    ("find_neighbours", {"rule": 3}, "rule"),
    ("find_neighbours", {"n_neighbours": -1}, "n_neighbours"),
    ("find_neighbours", {"n_neighbours": 10**9}, "n_neighbours"),
    ("find_neighbours", {"cutoff": 0.0}, "cutoff"),
    ("find_neighbours", {"cutoff": np.nan}, "cutoff"),
    ("find_neighbours", {"cutoff": np.inf}, "cutoff"),
    ("has_pair_within", {"radius": np.nan}, "radius"),
    ("weigh_smoothly", {"counts": np.array([1, -1, 4])}, "counts"),
    ("weigh_smoothly", {"counts": np.array([1, 2, 2])}, "counts"),
    ("weigh_smoothly", {"n_neighbours": -1}, "n_neighbours"),
    ("deduplicate", {"neighbour": np.array([1, 0, 3, 1])}, "neighbour"),
    ("deduplicate", {"neighbour": np.array([1, 0, -1, 1])}, "neighbour"),
    ("deduplicate", {"starts": np.array([0, 3, 1, 4])}, "starts"),
    ("deduplicate", {"offsets": np.array([0, 4])}, "offsets"),
    ("expand_near", {"n_functions": 7}, "n_functions"),
    ("expand_near", {"step": 0.0}, "step"),
    ("activate", {"kind": 3}, "kind"),
    ("sum_gated", {"kind": -1}, "kind"),
    ("sum_gated", {"first": np.array([0, 1, 3, 0], np.int32)}, "first"),
    ("sum_gated", {"first": np.array([0, -1, 2, 0], np.int32)}, "first"),
    ("sum_gated", {"neighbour": np.array([1, 0, 3, 1])}, "neighbour"),
    ("sum_gated", {"starts": np.array([0, 1, 3, 5])}, "starts"),
    ("sum_gated", {"starts": np.array([0, 4, 3, 4])}, "starts"),
    ("sum_gated", {"shift": None}, "scale and shift"),
    ("sum_gated", {"scale": None, "shift": None}, "epsilon"),
    ("differentiate", {"epsilon": None}, "scale"),
    ("differentiate", {"d_scale": None}, "d_scale"),
    ("spread_derivative", {"first": np.array([0, 1, 9, 0], np.int32)}, "first"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "changed", "name"), BEYOND)
def test_a_number_out_of_its_range_is_refused(function, changed, name):
    with pytest.raises(ValueError, match=name):
        call(function, **changed)


def test_nothing_is_left_of_a_refused_search():
    """The arrays of a search that ends in an error are freed: 400 MB otherwise."""
    import resource

    lattices = np.stack([4 * np.eye(3)] * 2000)
    positions = np.zeros((2000, 3))
    positions[-1] = np.nan
    given = arguments()["find_neighbours"] | {
        "lattices": lattices, "positions": positions, "offsets": np.arange(2001), "last": 2000,
        "counts": np.empty(2000, L),
    }  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(400):
        with pytest.raises(_native.Refused) as caught:
            _native.find_neighbours(**given)
    assert caught.value.args[:2] == (1999, 0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
