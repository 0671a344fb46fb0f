"""The grader's own checks, and the grading. Never part of what a student gets.

Expected numbers come from plain loops, written from the equations and not from the solution. When
one function is graded, the student's other functions are replaced by such loops, so that one
mistake costs marks once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from checks import (
    CHECKS,
    EDGES,
    EXPANSION,
    GATED,
    GROUPS,
    NETWORK,
    OWN,
    POOL,
    SHARED,
    STEP,
    Check,
    Wrong,
    checking,
    compare,
    explain,
    set_weights,
    wave,
)
from torch import Tensor, nn

HIDDEN: list[Check] = []


# What is expected, by loops.


def expand_by_loops(distance, start=0.0, stop=8.0, n_gaussians=41):
    step = (stop - start) / (n_gaussians - 1)
    rows = [
        [math.exp(-(((float(d) - start) / step - k) ** 2)) for k in range(n_gaussians)]
        for d in distance
    ]
    return torch.tensor(rows, dtype=distance.dtype)


def describe_by_loops(atoms, bonds, centre, neighbour):
    rows = [
        torch.cat([atoms[i], atoms[j], bond])
        for i, j, bond in zip(centre.tolist(), neighbour.tolist(), bonds, strict=True)
    ]
    return torch.stack(rows)


def sum_by_loops(values, group, n_groups):
    sums = [torch.zeros_like(values[0]) for _ in range(n_groups)]
    for row, owner in zip(values, group.tolist(), strict=True):
        sums[owner] = sums[owner] + row
    return torch.stack(sums)


def pool_by_loops(atoms, crystal, n_crystals, how):
    rows = []
    for number in range(n_crystals):
        mine = torch.stack(
            [atom for atom, c in zip(atoms, crystal.tolist(), strict=True) if c == number]
        )
        rows.append({"mean": mine.mean(0), "sum": mine.sum(0), "max": mine.max(0).values}[how])
    return torch.stack(rows)


def alone_by_loops(convolution, atoms, bonds, graph):
    return convolution.activation(convolution.normalise(convolution.own(atoms)))


def shared_by_loops(convolution, atoms, bonds, graph):
    pairs = [torch.cat([atoms[j], u]) for j, u in zip(graph.neighbour.tolist(), bonds, strict=True)]
    around = convolution.around(sum_by_loops(torch.stack(pairs), graph.centre, len(atoms)))
    return convolution.activation(convolution.normalise(around + convolution.own(atoms)))


def gated_by_loops(convolution, atoms, bonds, graph):
    messages = []
    for i, j, bond in zip(graph.centre.tolist(), graph.neighbour.tolist(), bonds, strict=True):
        z = torch.cat([atoms[i], atoms[j], bond])
        messages.append(convolution.gate(z).sigmoid() * convolution.activation(convolution.core(z)))
    return atoms + convolution.normalise(
        sum_by_loops(torch.stack(messages), graph.centre, len(atoms))
    )


def network_by_loops(network, graph):
    atoms = torch.stack(
        [network.embedding(network.element_vectors[z]) for z in graph.atomic_numbers.tolist()]
    )
    bonds = expand_by_loops(
        graph.distance.to(atoms.dtype), 0.0, network.longest, network.n_gaussians
    )
    for convolution in network.convolutions:
        atoms = convolution(atoms, bonds, graph)
    pooled = pool_by_loops(atoms, graph.crystal, graph.n_crystals, network.pooling)
    return network.output(network.activation(network.hidden(pooled)))


FUNCTIONS = {
    "expand_distances": expand_by_loops,
    "describe_edges": describe_by_loops,
    "sum_by_group": sum_by_loops,
    "pool": pool_by_loops,
}
CONVOLUTIONS = {
    "NoConvolution": alone_by_loops,
    "SharedConvolution": shared_by_loops,
    "GatedConvolution": gated_by_loops,
}


# The grading.


def all_checks() -> list[Check]:
    """Give every check in the order of the questions, those that students see first."""
    questions = list(dict.fromkeys(check.question for check in CHECKS))
    return sorted([*CHECKS, *HIDDEN], key=lambda check: questions.index(check.question))


def mark(check: Check, namespace: dict) -> str | None:
    """Run one check on a submission's global names; give None where it holds, or what is wrong."""
    if check.question not in namespace:
        return f"{check.question} is not there: was it renamed, or did the file stop before it?"
    with loops_in_place_of_others(check.question, namespace):
        return explain(check, SimpleNamespace(**namespace))


def grade(namespace: dict) -> dict[str, int]:
    """Give the marks of a submission by question."""
    marks = dict.fromkeys((check.question for check in all_checks()), 0)
    for check in all_checks():
        if mark(check, namespace) is None:
            marks[check.question] += check.points
    return marks


@contextmanager
def loops_in_place_of_others(question: str, namespace: dict) -> Iterator[None]:
    """Replace what the question's function may call, in the submission itself, for a while."""
    before = dict(namespace)
    forwards = {
        name: (found, found.forward)
        for name, found in before.items()
        if name in CONVOLUTIONS and name != question and hasattr(found, "forward")
    }
    try:
        namespace.update({name: loops for name, loops in FUNCTIONS.items() if name != question})
        for name, (found, _) in forwards.items():
            found.forward = CONVOLUTIONS[name]
        yield
    finally:
        for name in FUNCTIONS:
            if name in before:
                namespace[name] = before[name]
            else:
                namespace.pop(name, None)  # what was never written earns nothing afterwards either
        for found, forward in forwards.values():
            found.forward = forward


# What the checks are made on.


def draw(*shape: int, seed: int) -> Tensor:
    """Give normal random numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draw_graph(seed: int, n_atoms: int = 7, n_edges: int = 31) -> SimpleNamespace:
    """Give three crystals with random edges inside each, in no order; the last atom has none."""
    numbers = torch.Generator().manual_seed(seed)
    crystal = torch.tensor([0, 0, 1, 1, 1, 2, 2])[:n_atoms]
    first, size = torch.tensor([0, 2, 5]), torch.tensor([2, 3, 2])
    centre = torch.randint(0, n_atoms - 1, (n_edges,), generator=numbers)
    owner = crystal[centre]
    step = torch.randint(0, 100, (n_edges,), generator=numbers)
    return SimpleNamespace(
        atomic_numbers=torch.randint(1, 6, (n_atoms,), generator=numbers),
        crystal=crystal,
        centre=centre,
        neighbour=first[owner] + step % size[owner],
        distance=1 + 3 * torch.rand(n_edges, generator=numbers, dtype=torch.float64),
        n_crystals=3,
    )


class Scaled(nn.Module):
    """Stands in for a normalisation: it must be applied once, and to the right thing."""

    def forward(self, values: Tensor) -> Tensor:
        return 0.5 * values + 0.25


def make_convolution(student, name, activation=None, normalise=None):
    convolution = getattr(student, name)(4, 3, activation or nn.Softplus(), normalise or Scaled())
    return set_weights(convolution)


# The checks.


@checking("expand_distances", 3, "other ranges, other numbers of Gaussians", HIDDEN)
def expansion_of_other_ranges(student):
    for start, stop, n_gaussians in ((0.0, 8.0, 41), (1.0, 5.0, 9), (0.5, 3.0, 4)):
        distance = 0.7 + 4 * draw(20, seed=1).abs()
        got = student.expand_distances(distance, start, stop, n_gaussians)
        compare("bond vectors", got, expand_by_loops(distance, start, stop, n_gaussians), EXPANSION)


@checking("describe_edges", 3, "edges in no order", HIDDEN)
def edges_in_no_order(student):
    graph = draw_graph(seed=2)
    arguments = draw(7, 4, seed=3), draw(31, 5, seed=4), graph.centre, graph.neighbour
    compare(
        "edge vectors z", student.describe_edges(*arguments), describe_by_loops(*arguments), EDGES
    )


@checking("sum_by_group", 2, "rows in no order, groups without rows", HIDDEN)
def rows_in_no_order(student):
    values, group = draw(40, 3, seed=5), torch.arange(40) * 7 % 11
    compare(
        "sums", student.sum_by_group(values, group, 13), sum_by_loops(values, group, 13), GROUPS
    )


@checking("sum_by_group", 2, "gradients go back through the sum", HIDDEN)
def gradients_go_back(student):
    values, group = draw(6, 2, seed=6).requires_grad_(), torch.tensor([0, 2, 2, 0, 1, 2])
    weights = draw(4, 2, seed=7)
    total = (student.sum_by_group(values, group, 4) * weights).sum()
    if not total.requires_grad:
        raise Wrong(f"gradient of the sums: expected one, got none. Look again: {GROUPS}")
    compare("gradient of the sums", torch.autograd.grad(total, values)[0], weights[group], GROUPS)


def compare_convolution(student, name, expected, look, activation=None, seed=8):
    graph = draw_graph(seed)
    atoms, bonds = draw(7, 4, seed=seed + 1), draw(31, 3, seed=seed + 2)
    convolution = make_convolution(student, name, activation)
    got = convolution(atoms, bonds, graph)
    compare("atom vectors", got, expected(convolution, atoms, bonds, graph), look)


@checking("NoConvolution", 3, "other atoms, another activation, a normalisation", HIDDEN)
def own_vectors_of_others(student):
    compare_convolution(student, "NoConvolution", alone_by_loops, OWN)
    compare_convolution(student, "NoConvolution", alone_by_loops, OWN, nn.Tanh())


@checking("SharedConvolution", 3, "another graph, another activation, a normalisation", HIDDEN)
def shared_vectors_of_others(student):
    compare_convolution(student, "SharedConvolution", shared_by_loops, SHARED, nn.Tanh())


@checking("SharedConvolution", 2, "an atom without neighbours", HIDDEN)
def shared_without_neighbours(student):
    graph = draw_graph(seed=11)
    convolution = make_convolution(student, "SharedConvolution", nn.Tanh())
    atoms = draw(7, 4, seed=12)
    got = convolution(atoms, draw(31, 3, seed=13), graph)
    expected = torch.tanh(0.5 * convolution.own(atoms) + 0.25)
    compare("vector of an atom without neighbours", got[-1], expected[-1], SHARED)


def received(student, activation, normalise, seed):
    """Give what is added to the atoms because of their edges, and what should be."""
    graph = draw_graph(seed)
    atoms, bonds = draw(7, 4, seed=seed + 1), draw(31, 3, seed=seed + 2)
    convolution = make_convolution(student, "GatedConvolution", activation, normalise)
    new = convolution(atoms, bonds, graph)
    expected = gated_by_loops(convolution, atoms, bonds, graph)
    # The last atom has no edges: what it gets says what is added to the others without any.
    return new - new[-1:], expected - expected[-1:], atoms - atoms[-1:]


@checking("GatedConvolution", 4, "what the neighbours send", HIDDEN)
def what_the_neighbours_send(student):
    got, expected, own = received(student, nn.Softplus(), nn.Identity(), seed=14)
    # With or without v_i in the result: that is marked by itself below.
    kept = (got - expected).abs().max() <= (got + own - expected).abs().max()
    compare("sums of messages", got if kept else got + own, expected, GATED)


@checking("GatedConvolution", 2, "another activation, a normalisation of the sum", HIDDEN)
def gated_with_others(student):
    got, expected, own = received(student, nn.Tanh(), Scaled(), seed=17)
    kept = (got - expected).abs().max() <= (got + own - expected).abs().max()
    compare("normalised sums of messages", got if kept else got + own, expected, GATED)


@checking("GatedConvolution", 2, "an atom without neighbours keeps its vector", HIDDEN)
def gated_without_neighbours(student):
    graph = draw_graph(seed=20)
    convolution = make_convolution(student, "GatedConvolution", normalise=nn.Identity())
    atoms = draw(7, 4, seed=21)
    got = convolution(atoms, draw(31, 3, seed=22), graph)
    compare("vector of an atom without neighbours", got[-1], atoms[-1], GATED)


@checking("pool", 3, "mean and sum, crystals of different sizes", HIDDEN)
def mean_and_sum(student):
    atoms, crystal = draw(9, 3, seed=23), torch.tensor([0, 0, 0, 0, 1, 2, 2, 2, 2])
    for how in ("mean", "sum"):
        got = student.pool(atoms, crystal, 3, how)
        compare(f"crystal vectors ({how})", got, pool_by_loops(atoms, crystal, 3, how), POOL)


@checking("pool", 2, "largest components, also where all are negative", HIDDEN)
def largest(student):
    atoms, crystal = draw(9, 3, seed=24) - 5.0, torch.tensor([0, 0, 0, 0, 1, 2, 2, 2, 2])
    got = student.pool(atoms, crystal, 3, "max")
    compare("crystal vectors (max)", got, pool_by_loops(atoms, crystal, 3, "max"), POOL)


def make_network(student, **settings):
    settings = {"atom_width": 4, "n_gaussians": 6, "hidden_width": 3, "longest": 5.0} | settings
    return set_weights(student.CrystalNetwork(0.5 * wave(6, 5), **settings)).eval()


@checking("CrystalNetwork", 4, "its outputs, for all kinds of convolution and pooling", HIDDEN)
def outputs_of_the_network(student):
    graph = draw_graph(seed=25)
    for convolution in ("none", "shared", "gated"):
        for pooling in ("mean", "max"):
            network = make_network(student, convolution=convolution, pooling=pooling, n_outputs=2)
            expected = network_by_loops(network, graph)
            compare(f"outputs ({convolution}, {pooling})", network(graph), expected, NETWORK)


@checking("CrystalNetwork", 3, "a crystal alone is as in a batch", HIDDEN)
def alone_as_in_a_batch(student):
    together, network = draw_graph(seed=26), make_network(student)
    mine = together.crystal == 1
    edges = mine[together.centre]
    first = int(mine.nonzero()[0])
    alone = SimpleNamespace(
        atomic_numbers=together.atomic_numbers[mine],
        crystal=torch.zeros(int(mine.sum()), dtype=torch.int64),
        centre=together.centre[edges] - first,
        neighbour=together.neighbour[edges] - first,
        distance=together.distance[edges],
        n_crystals=1,
    )
    compare("output of a crystal alone", network(alone), network_by_loops(network, alone), NETWORK)
    compare("output of it in a batch", network(together)[1:2], network(alone), NETWORK)


@checking("training_step", 4, "two steps by hand: gradients do not pile up", HIDDEN)
def two_steps_by_hand(student):
    network, twin = set_weights(nn.Linear(3, 1)), set_weights(nn.Linear(3, 1))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    x, y = draw(8, 3, seed=27), draw(8, 1, seed=28)
    for _ in range(2):
        loss = student.training_step(network, x, y, optimiser, nn.functional.mse_loss)
        expected = nn.functional.mse_loss(twin(x), y)
        gradients = torch.autograd.grad(expected, list(twin.parameters()))
        with torch.no_grad():
            for weights, gradient in zip(twin.parameters(), gradients, strict=True):
                weights -= 0.1 * gradient
        compare("loss", torch.as_tensor(loss), expected, STEP)
    compare("weights after two steps", network.weight, twin.weight, STEP)


@checking("training_step", 2, "training mode, and the loss function that was given", HIDDEN)
def mode_and_loss(student):
    network = nn.Sequential(nn.Dropout(1.0), nn.Linear(3, 1)).eval()
    set_weights(network)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.0)
    x, y = draw(8, 3, seed=29), draw(8, 1, seed=30)
    loss = student.training_step(network, x, y, optimiser, nn.functional.l1_loss)
    expected = (network[1].bias - y).abs().mean()  # in training mode this dropout leaves nothing
    compare("loss in training mode", torch.as_tensor(loss), expected, STEP)
