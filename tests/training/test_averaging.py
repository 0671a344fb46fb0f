"""The average of the weights is what its formula says, and it is what validation sees."""

import pytest
import torch

from xtalgraph.training.averaging import WeightAverage


class Small(torch.nn.Module):
    """One weight, one running statistic and one count."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0]))
        self.register_buffer("statistic", torch.tensor([10.0]))
        self.register_buffer("count", torch.tensor(0))


def step(average: WeightAverage, network: Small, weight: float) -> None:
    with torch.no_grad():
        network.weight.fill_(weight)
        network.statistic.fill_(10 * weight)
        network.count += 1
    average.update()


def begin(decay: float) -> tuple[WeightAverage, Small]:
    average, network = WeightAverage(decay), Small()
    average.begin(network)
    return average, network


@pytest.mark.parametrize("decay", [0.999, 0.15])
def test_the_average_follows_its_formula(decay: float) -> None:
    average, network = begin(decay)
    expected = 1.0
    for n, weight in enumerate([2.0, -1.0, 4.0]):
        step(average, network, weight)
        share = min(decay, (1 + n) / (10 + n))
        expected = share * expected + (1 - share) * weight
    assert average.average["weight"].item() == pytest.approx(expected)
    assert average.average["statistic"].item() == pytest.approx(10 * expected)
    assert average.average["count"].item() == 3


def test_validation_sees_the_average_and_training_its_own_weights() -> None:
    average, network = begin(0.5)
    step(average, network, 3.0)
    kept = average.average["weight"].item()
    assert kept != 3.0
    average.swap()
    assert network.weight.item() == kept
    average.swap()
    assert network.weight.item() == 3.0
    assert average.average["weight"].item() == kept


def test_the_average_survives_a_checkpoint() -> None:
    whole, network = begin(0.9)
    step(whole, network, 3.0)
    broken = WeightAverage(0.9)
    broken.load_state_dict(whole.state_dict())
    broken.begin(network)
    assert broken.average["weight"] is not whole.average["weight"]
    step(whole, network, 5.0)
    broken.update()
    assert torch.equal(broken.average["weight"], whole.average["weight"])
