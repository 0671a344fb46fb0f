"""Losses see labels that are there, and nothing else."""

import math

import pytest
import torch

from xtalgraph.errors import UnknownName
from xtalgraph.nn import Task
from xtalgraph.training.scoring import class_loss, find_loss
from xtalgraph.units import Target

TASK = Task("regression", (Target("a"), Target("b")))
NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("l1", (0.5 + 2 + 3) / 3), ("mse", (0.25 + 4 + 9) / 3), ("huber", (0.125 + 1.5 + 2.5) / 3)],
)
def test_a_loss_is_the_mean_over_labels_that_are_there(name: str, expected: float) -> None:
    labels = torch.tensor([[0.5, NAN], [2.0, -3.0]])
    outputs = torch.zeros(2, 2, requires_grad=True)
    loss = find_loss(TASK, name)(outputs, labels)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert outputs.grad[0, 1] == 0
    assert (outputs.grad[labels.isnan().logical_not()] != 0).all()


def test_a_batch_without_labels_moves_nothing() -> None:
    outputs = torch.ones(2, 2, requires_grad=True)
    loss = find_loss(TASK, "l1")(outputs, torch.full((2, 2), NAN))
    loss.backward()
    assert loss == 0
    assert (outputs.grad == 0).all()


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown loss 'l2'"):
        find_loss(TASK, "l2")


def test_the_class_loss_is_the_negative_log_likelihood() -> None:
    logits = torch.tensor([[0.0, math.log(3)], [1.0, 1.0], [5.0, -5.0]])
    task = Task("classification", (Target("kind"),), ("a", "b"))
    assert find_loss(task, "l1") is class_loss
    loss = class_loss(logits, torch.tensor([1, 0, -1]))
    assert loss.item() == pytest.approx((-math.log(0.75) - math.log(0.5)) / 2)
