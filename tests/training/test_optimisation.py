"""The learning rate goes where its schedule says."""

from dataclasses import replace

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from xtalgraph.training import TrainConfig, preset
from xtalgraph.training.loop import average_weights, make_optimiser, make_schedule


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


class Small(torch.nn.Module):
    """One weight, one running statistic and one count."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0]))
        self.register_buffer("statistic", torch.tensor([10.0]))
        self.register_buffer("count", torch.tensor(0))


def move(average: AveragedModel, network: Small, weight: float) -> None:
    with torch.no_grad():
        network.weight.fill_(weight)
        network.statistic.fill_(10 * weight)
        network.count += 1
    average.update_parameters(network)


@pytest.mark.parametrize("decay", [0.999, 0.15])
def test_the_average_follows_its_formula(decay: float) -> None:
    network = Small()
    average = average_weights(network, decay)
    expected = 1.0
    for n, weight in enumerate([2.0, -1.0, 4.0]):
        move(average, network, weight)
        kept = min(decay, (1 + n) / (10 + n))
        expected = kept * expected + (1 - kept) * weight
    assert average.module.weight.item() == pytest.approx(expected)
    assert average.module.statistic.item() == pytest.approx(10 * expected)
    assert average.module.count.item() == 3
    assert network.weight.item() == 4.0


def test_the_average_survives_a_checkpoint() -> None:
    network = Small()
    whole, resumed = average_weights(network, 0.9), average_weights(Small(), 0.9)
    move(whole, network, 3.0)
    resumed.load_state_dict(whole.state_dict())
    for average in (whole, resumed):
        move(average, network, 5.0)
    assert torch.equal(resumed.module.weight, whole.module.weight)
    assert resumed.module.weight.item() != 5.0
