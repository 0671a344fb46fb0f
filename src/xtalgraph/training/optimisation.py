"""Optimisers, the learning rate as a function of the step, and the average of the weights.

They are torch's. Its optimisers import its compiler when they are made, which takes a second.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from xtalgraph.training.config import TrainConfig

Tensors = tuple[Tensor, ...] | list[Tensor]


def make_optimiser(parameters: Iterable[nn.Parameter], config: TrainConfig) -> Optimizer:
    """Make the optimiser of what is not frozen, at the highest learning rate of the config."""
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return SGD(parameters, lr=rate, momentum=config.momentum, weight_decay=decay)
    # one kernel for all weights; with 16-mixed it excludes clipping, and not all devices have it
    is_fused = config.precision != "16-mixed" and all(
        parameter.device.type in ("cpu", "cuda") for parameter in parameters
    )
    return AdamW(parameters, lr=rate, weight_decay=decay, fused=is_fused)


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


def average_weights(network: nn.Module, decay: float) -> AveragedModel:
    """Give an exponential moving average of a network, to be moved by `update_parameters`.

    The decay of step n (from 0) is min(`decay`, (1 + n) / (10 + n)), so that the average of a short
    run forgets its random start. Running statistics are averaged like weights, because those of
    one step do not belong to averaged weights; counts are copied.
    """

    def move(averages: Tensors, currents: Tensors, n_averaged: Tensor | int) -> None:
        if not averages[0].is_floating_point():
            for average, current in zip(averages, currents, strict=True):
                average.copy_(current)
            return
        n = int(averaged.n_averaged) - 1  # which lies on the CPU: nothing to wait for
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(averages, currents, n_averaged)

    averaged = AveragedModel(network, multi_avg_fn=move, use_buffers=True)
    averaged.n_averaged.fill_(1)  # the first step moves what is there, it does not copy
    averaged.module.eval()
    return averaged
