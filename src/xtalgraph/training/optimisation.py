"""Optimisers, and the learning rate as a function of the step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import optim
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from xtalgraph.training.config import TrainConfig


def _bare(method: Callable[..., Any]) -> Callable[..., Any]:
    """Give a method of torch's as it was before torch wrapped it, or as it is."""
    return getattr(method, "__wrapped__", method)


# torch wraps these methods so that its compiler leaves them alone, and imports the compiler at
# their first call, which takes over a second and is for nothing where nothing is compiled. The
# wrap of `step` also sets the recording of gradients, which is why it is given back here.
class SGD(optim.SGD):
    """torch's, not for networks that are compiled."""

    add_param_group = _bare(Optimizer.add_param_group)
    zero_grad = _bare(Optimizer.zero_grad)
    state_dict = _bare(Optimizer.state_dict)
    step = torch.no_grad()(_bare(optim.SGD.step))


class AdamW(optim.AdamW):
    """torch's, not for networks that are compiled."""

    add_param_group = _bare(Optimizer.add_param_group)
    zero_grad = _bare(Optimizer.zero_grad)
    state_dict = _bare(Optimizer.state_dict)
    step = torch.no_grad()(_bare(optim.AdamW.step))


def make_optimiser(parameters: Iterable[Parameter], config: TrainConfig) -> Optimizer:
    """Make the optimiser of what is not frozen, at the highest learning rate of the config."""
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if config.optimiser == "sgd":
        return SGD(
            parameters,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
    # one kernel for all weights; with 16-mixed it excludes clipping, and not all devices have it
    is_fused = config.precision != "16-mixed" and all(
        parameter.device.type in ("cpu", "cuda") for parameter in parameters
    )
    return AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=is_fused
    )


def make_schedule(
    optimiser: Optimizer, config: TrainConfig, steps_per_epoch: int
) -> LRScheduler | None:
    """Make the schedule of the learning rate, to be advanced after each step; None if constant.

    `one_cycle` rises from 1/25 of the rate to all of it in the first part of the run and falls to
    nothing by cosines, while the momentum moves the other way (Smith & Topin, arXiv:1708.07120).
    `step` multiplies the rate by a factor after each of some epochs.
    """
    if config.schedule == "one_cycle":
        return OneCycleLR(
            optimiser,
            max_lr=config.learning_rate,
            total_steps=config.epochs * steps_per_epoch,
            pct_start=config.warm_up,
        )
    if config.schedule == "step":
        last_steps = [epoch * steps_per_epoch for epoch in config.step_epochs]
        return LambdaLR(
            optimiser, lambda step: config.step_factor ** bisect_right(last_steps, step)
        )
    return None
