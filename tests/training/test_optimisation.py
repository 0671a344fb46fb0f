"""The learning rate goes where its schedule says."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch

from xtalgraph.training import TrainConfig, preset
from xtalgraph.training.optimisation import make_optimiser, make_schedule


def rates(config: TrainConfig, steps_per_epoch: int) -> list[float]:
    """Give the learning rate of each step of a run."""
    optimiser = make_optimiser([torch.nn.Parameter(torch.zeros(1))], config)
    schedule = make_schedule(optimiser, config, steps_per_epoch)
    found = []
    for _ in range(config.epochs * steps_per_epoch):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if schedule is not None:
            schedule.step()
    return found


def test_one_cycle_rises_for_a_part_of_the_run_and_falls_to_nothing() -> None:
    config = TrainConfig(epochs=10, learning_rate=0.5, warm_up=0.3)
    found = rates(config, steps_per_epoch=10)
    assert found[0] == pytest.approx(0.5 / 25)
    assert found.index(max(found)) == 29
    assert max(found) == pytest.approx(0.5)
    assert found[-1] < 1e-4 * 0.5
    assert found == [*sorted(found[:30]), *sorted(found[30:], reverse=True)]


def test_step_multiplies_after_each_of_the_named_epochs() -> None:
    config = TrainConfig(
        epochs=4, learning_rate=1.0, schedule="step", step_epochs=(1, 3), step_factor=0.1
    )
    assert rates(config, 2) == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_the_paper_never_reaches_its_step() -> None:
    config = preset("paper").train
    assert set(rates(config, 3)) == {0.01}
    assert min(rates(replace(config, epochs=101), 3)) == pytest.approx(0.001)


def test_constant_is_constant() -> None:
    assert set(rates(TrainConfig(schedule="constant", epochs=3), 4)) == {5e-3}


def test_the_optimisers_are_made_as_asked() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    sgd = make_optimiser(parameters, TrainConfig(optimiser="sgd", momentum=0.7, weight_decay=0.2))
    assert (sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (0.7, 0.2)
    adamw = make_optimiser(parameters, TrainConfig(weight_decay=0.3))
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.defaults["weight_decay"] == 0.3


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_optimisers_take_the_steps_of_torch_and_keep_its_state(name: str) -> None:
    config = TrainConfig(optimiser=name, weight_decay=0.1, schedule="constant")

    def take_steps(make: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]) -> tuple:
        weights = torch.nn.Parameter(torch.linspace(-1, 1, 5))
        optimiser = make([weights])
        for step in range(4):
            optimiser.zero_grad()
            (weights**2 * (step + 1)).sum().backward()
            optimiser.step()
            assert torch.is_grad_enabled()
        return weights.detach(), optimiser.state_dict()

    def make_of_torch(rate: float) -> Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]:
        if name == "sgd":
            return partial(torch.optim.SGD, lr=rate, momentum=0.9, weight_decay=0.1)
        return partial(torch.optim.AdamW, lr=rate, weight_decay=0.1, fused=True)

    ours, our_state = take_steps(partial(make_optimiser, config=config))
    theirs, their_state = take_steps(make_of_torch(config.learning_rate))
    assert torch.equal(ours, theirs)
    assert str(our_state) == str(their_state)
    others, _ = take_steps(make_of_torch(2 * config.learning_rate))
    assert not torch.equal(ours, others)
