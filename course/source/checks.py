"""Checks that tell you where to look again. You may read them; there is nothing to write here.

A check looks at the shape first, then at the numbers. StateReader may differ by rounding (a ten
thousandth of their size) and sums may be taken in any order. The grader has further checks of the
same kind on other inputs, so that a result that only fits the numbers below is not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor, nn

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # single precision rounds at 6e-8; a hundred sums lose two digits


class Wrong(AssertionError):
    """A quantity that is not as expected; the message says which, and where to look again."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold, its points, and the function that raises where it does not."""

    question: str
    points: int
    title: str
    run: Callable[[SimpleNamespace], None]


CHECKS: list[Check] = []


def checking(
    question: str, points: int, title: str, into: list[Check] = CHECKS
) -> Callable[[Callable[[SimpleNamespace], None]], Callable[[SimpleNamespace], None]]:
    """Enter the function below into a list of checks."""

    def enter(run: Callable[[SimpleNamespace], None]) -> Callable[[SimpleNamespace], None]:
        into.append(Check(question, points, title, run))
        return run

    return enter


def compare(quantity: str, got: object, expected: Tensor, look: str) -> None:
    """Raise `Wrong` unless `got` has the shape and, up to rounding, the numbers of `expected`."""
    compare_shape(quantity, got, expected.shape, look)
    numbers = got.detach().to(torch.float64)
    wanted = expected.detach().to(torch.float64)
    if not numbers.isfinite().all():
        raise Wrong(
            f"{quantity}: {int((~numbers.isfinite()).sum())} numbers are not finite. {look}"
        )
    excess = (numbers - wanted).abs() - (ABSOLUTE + RELATIVE * wanted.abs())
    if excess.max() <= 0:
        return
    place = tuple(int(i) for i in torch.unravel_index(excess.argmax(), excess.shape))
    n_off = int((excess > 0).sum())
    raise Wrong(
        f"{quantity}{list(place)}: expected {wanted[place]:.5g}, got {numbers[place]:.5g} "
        f"({n_off} of {excess.numel()} numbers are off). Look again: {look}"
    )


def compare_shape(quantity: str, got: object, shape: Iterable[int], look: str) -> None:
    """Raise `Wrong` unless `got` is a tensor of this shape."""
    if not isinstance(got, Tensor):
        raise Wrong(f"{quantity}: expected a tensor, got {type(got).__name__}. Look again: {look}")
    if tuple(got.shape) != tuple(shape):
        raise Wrong(
            f"{quantity}: expected shape {tuple(shape)}, got {tuple(got.shape)}. Look again: {look}"
        )


def explain(check: Check, student: object) -> str | None:
    """Run one check on a module; give None where it holds, or else what is wrong, in words."""
    try:
        check.run(student)
    except Wrong as wrong:
        return str(wrong)
    except NotImplementedError:
        return "not written yet"
    except Exception as error:  # whatever a student's code may raise is a result of the check
        return f"your code stopped with {type(error).__name__}: {error}"
    return None


def check(student: object, question: str | None = None) -> None:
    """Run the checks of one question, or of all, on your module, and print what they say."""
    chosen = [one for one in CHECKS if question in (None, one.question)]
    if not chosen:
        names = ", ".join(dict.fromkeys(one.question for one in CHECKS))
        raise ValueError(f"there are no checks for {question!r}; there are some for {names}")
    for one in chosen:
        problem = explain(one, student)
        print(f"{'✓' if problem is None else '✗'} {one.question}, {one.title}")
        if problem is not None:
            print(f"    {problem}")


# What the checks are made on: numbers that any machine can make again.


def wave(*shape: int, start: float = 0.0) -> Tensor:
    """Give a tensor of this shape filled with sin(start), sin(start + 1), …"""
    n_numbers = torch.Size(shape).numel()
    return torch.sin(start + torch.arange(n_numbers, dtype=torch.float64)).float().reshape(shape)


def set_weights(module: nn.Module) -> nn.Module:
    """Fill all weights with waves, so that every machine has the same network."""
    with torch.no_grad():
        for number, weights in enumerate(module.parameters()):
            weights.copy_(0.4 * wave(*weights.shape, start=float(number)))
    return module


def small_graph() -> SimpleNamespace:
    """Give two crystals: three atoms, of which the last has no neighbours, and one atom alone.

    Atoms 0 and 1 are joined by two edges each way: two periodic images of one neighbour.
    """
    return SimpleNamespace(
        atomic_numbers=torch.tensor([3, 1, 2, 3]),
        crystal=torch.tensor([0, 0, 0, 1]),
        centre=torch.tensor([0, 0, 0, 1, 1, 3]),
        neighbour=torch.tensor([1, 1, 2, 0, 0, 3]),
        distance=torch.tensor([1.0, 1.5, 2.5, 1.0, 1.5, 2.0], dtype=torch.float64),
        n_crystals=2,
    )


def make_convolution(student: object, name: str, activation: nn.Module | None = None) -> nn.Module:
    """Give the student's convolution with atoms of width 2, bonds of width 3 and known weights."""
    convolution = getattr(student, name)(2, 3, activation or nn.Softplus(), nn.Identity())
    return set_weights(convolution)


def convolve(student: object, name: str) -> Tensor:
    """Give what the student's convolution makes of the small graph."""
    return make_convolution(student, name)(wave(4, 2), wave(6, 3, start=8.0), small_graph())


# The checks that you can see.

EXPANSION = "the centres run from start to stop, both included; the step is the width."
EDGES = "centre first, then neighbour, then bond; joined so that each edge's vector gets longer."
GROUPS = "row e of the values goes to row group[e] of the result."
OWN = "the layer, then the normalisation, then the activation; no neighbour takes part."
SHARED = "equation 4: neighbours and bonds are summed at the centre; then both layers, N and g."
GATED = "equation 5: sigmoid on the gate, g on the core, their product summed, v_i added."
POOL = "one row a crystal, from the atoms of that crystal alone."
NETWORK = "the five steps in the docstring, in their order."
STEP = "training mode, zero_grad, loss, backward, step; the loss goes back as a plain number."


@checking("expand_distances", 1, "shape")
def expansion_has_the_shape(student):
    got = student.expand_distances(torch.tensor([1.0, 2.0, 3.0]), 0.0, 4.0, 5)
    compare_shape("bond vectors", got, (3, 5), EXPANSION)


@checking("expand_distances", 2, "one distance by hand")
def expansion_of_one_distance(student):
    got = student.expand_distances(torch.tensor([2.5]), 0.0, 4.0, 5)
    expected = torch.tensor([[0.00193045, 0.10539922, 0.77880078, 0.77880078, 0.10539922]])
    compare("bond vectors", got, expected, EXPANSION)


@checking("describe_edges", 1, "shape")
def edges_have_the_shape(student):
    graph = small_graph()
    got = student.describe_edges(wave(4, 2), wave(6, 3), graph.centre, graph.neighbour)
    compare_shape("edge vectors z", got, (6, 7), EDGES)


@checking("describe_edges", 2, "one edge by hand")
def one_edge_by_hand(student):
    atoms, bonds = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0]])
    got = student.describe_edges(atoms, bonds, torch.tensor([1]), torch.tensor([0]))
    compare("edge vectors z", got, torch.tensor([[3.0, 4.0, 1.0, 2.0, 5.0, 6.0]]), EDGES)


@checking("sum_by_group", 2, "four rows in three groups")
def four_rows_in_three_groups(student):
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    got = student.sum_by_group(rows, torch.tensor([0, 0, 2, 0]), 3)
    compare("sums", got, torch.tensor([[11.0, 14.0], [0.0, 0.0], [5.0, 6.0]]), GROUPS)


@checking("NoConvolution", 1, "the new atom vectors")
def own_vectors(student):
    got = convolve(student, "NoConvolution")
    compare("atom vectors", got, torch.tensor(EXPECTED["NoConvolution"]), OWN)


@checking("SharedConvolution", 1, "shape")
def shared_has_the_shape(student):
    compare_shape("atom vectors", convolve(student, "SharedConvolution"), (4, 2), SHARED)


@checking("SharedConvolution", 2, "the new atom vectors")
def shared_vectors(student):
    got = convolve(student, "SharedConvolution")
    compare("atom vectors", got, torch.tensor(EXPECTED["SharedConvolution"]), SHARED)


@checking("GatedConvolution", 1, "shape")
def gated_has_the_shape(student):
    compare_shape("atom vectors", convolve(student, "GatedConvolution"), (4, 2), GATED)


@checking("GatedConvolution", 3, "the new atom vectors")
def gated_vectors(student):
    got = convolve(student, "GatedConvolution")
    compare("atom vectors", got, torch.tensor(EXPECTED["GatedConvolution"]), GATED)


@checking("pool", 1, "shape")
def pooled_has_the_shape(student):
    got = student.pool(wave(4, 2), torch.tensor([0, 0, 0, 1]), 2, "mean")
    compare_shape("crystal vectors (mean)", got, (2, 2), POOL)


@checking("pool", 2, "mean of two crystals")
def mean_of_two_crystals(student):
    atoms = torch.tensor([[1.0, 2.0], [2.0, 4.0], [6.0, 0.0], [7.0, 8.0]])
    got = student.pool(atoms, torch.tensor([0, 0, 0, 1]), 2, "mean")
    compare("crystal vectors (mean)", got, torch.tensor([[3.0, 2.0], [7.0, 8.0]]), POOL)


@checking("CrystalNetwork", 1, "shape")
def network_has_the_shape(student):
    network = student.CrystalNetwork(wave(4, 5), atom_width=2, hidden_width=3, n_outputs=2)
    compare_shape("outputs", network.eval()(small_graph()), (2, 2), NETWORK)


@checking("training_step", 2, "the loss falls")
def loss_falls(student):
    network = set_weights(nn.Linear(3, 1))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    x, y = wave(8, 3), wave(8, 1, start=1.0)
    losses = [
        student.training_step(network, x, y, optimiser, nn.functional.mse_loss) for _ in range(20)
    ]
    if not all(isinstance(loss, float) for loss in losses):
        raise Wrong(f"loss: expected a number, got {type(losses[0]).__name__}. Look again: {STEP}")
    if not losses[-1] < 0.8 * losses[0]:
        raise Wrong(
            f"loss after 20 steps: expected less than four fifths of {losses[0]:.4g}, got "
            f"{losses[-1]:.4g}. Look again: {STEP}"
        )


# Made with our solution and the waves above.
EXPECTED = {
    "NoConvolution": [
        [1.0503283, 0.9197466],
        [0.9035192, 1.1047995],
        [0.7000839, 0.7104576],
        [1.0103965, 0.8538819],
    ],
    "SharedConvolution": [
        [1.2789613, 0.6292425],
        [1.4880323, 0.6546084],
        [0.5804220, 0.8566633],
        [0.9195700, 0.3942952],
    ],
    "GatedConvolution": [
        [1.3130724, 1.7812473],
        [1.7935445, 0.7831143],
        [-0.7568025, -0.9589243],
        [0.1153246, 0.8673884],
    ],
}
