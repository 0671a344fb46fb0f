"""The settings of a training run, and the two presets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import CgcnnConfig, NetworkConfig, network_name
from xtalgraph.nn.configs import NETWORK_OF_2018

if TYPE_CHECKING:
    from collections.abc import Sequence

LOSSES = ("l1", "mse", "huber")
OPTIMISERS = ("adamw", "sgd")
SCHEDULES = ("one_cycle", "step", "constant")
PRECISIONS = ("32-true", "64-true", "16-mixed", "bf16-mixed")
FREEZES = ("none", "convolutions")
PRESETS = ("default", "paper")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the optimisation and of the machine it runs on.

    The defaults are the default recipe; `preset("paper")` has those of the 2018 code.
    """

    loss: str = "l1"  # of regression: l1 | mse | huber; what is reported is the MAE, so learn it
    optimiser: str = "adamw"  # adamw | sgd
    learning_rate: float = 5e-3  # the highest of the schedule, a step
    momentum: float = 0.9  # of sgd; adamw with one_cycle moves its first beta about this itself
    weight_decay: float = 0.01  # a step, times the learning rate (adamw) or in the gradient (sgd)
    schedule: str = "one_cycle"  # one_cycle | step | constant
    warm_up: float = 0.3  # part of a one_cycle run before the highest learning rate, in (0, 1)
    step_epochs: tuple[int, ...] = (100,)  # epochs after which `step` multiplies the rate
    step_factor: float = 0.1  # by how much `step` multiplies the learning rate
    epochs: int = 100  # passes over the training part
    batch_size: int = 64  # crystals a step and a process; small batches generalise better here
    gradient_clip: float = 0.0  # largest norm of the gradient; 0 = off
    weight_averaging: float = 0.999  # decay a step of the moving average of the weights; 0 = off
    start_from: str = ""  # a trained model whose weights the run begins with; "" = random ones
    freeze: str = "none"  # what of them stays as it is: none | convolutions = all up to pooling
    patience: int = 0  # epochs without a better validation before stopping early; 0 = off
    seed: int = 0  # of the initial weights, the order of batches and dropout
    split_seed: int = 0  # of the split, so that runs of several seeds share their test part
    accelerator: str = "auto"  # auto | cpu | gpu | mps, as Lightning's Trainer takes it
    devices: int | str = 1  # processes a node: a number, "auto" = all, or "0,2" = these
    num_nodes: int = 1  # machines, under SLURM or torchrun
    strategy: str = "auto"  # auto | ddp | …, as Lightning's Trainer takes it
    precision: str = "32-true"  # 32-true | 64-true | 16-mixed | bf16-mixed
    threads: int = 1  # of torch on the CPU, a process; a second is lost where anything else runs
    tensorboard: bool = True  # also write TensorBoard logs to the run folder

    def __post_init__(self) -> None:
        for kind, name, names in (
            ("loss", self.loss, LOSSES),
            ("optimiser", self.optimiser, OPTIMISERS),
            ("schedule", self.schedule, SCHEDULES),
            ("precision", self.precision, PRECISIONS),
            ("part to freeze", self.freeze, FREEZES),
        ):
            if name not in names:
                raise UnknownName(kind, name, names)
        for name, value, legal, is_legal in self._ranges():
            if not is_legal:
                raise BadConfig(f"train.{name} = {value}; it must be {legal}.")
        if self.freeze != "none" and not self.start_from:
            raise BadConfig(
                f"train.freeze = {self.freeze!r} needs weights that are worth keeping: name a "
                "trained model (--from, train.start_from)."
            )

    def _ranges(self) -> Sequence[tuple[str, object, str, bool]]:
        return (
            ("learning_rate", self.learning_rate, "above 0", self.learning_rate > 0),
            ("momentum", self.momentum, "in [0, 1)", 0 <= self.momentum < 1),
            ("weight_decay", self.weight_decay, "0 or more", self.weight_decay >= 0),
            ("warm_up", self.warm_up, "in (0, 1)", 0 < self.warm_up < 1),
            (
                "step_epochs",
                list(self.step_epochs),
                "rising numbers of epochs, 1 or more",
                all(a < b for a, b in zip((0, *self.step_epochs), self.step_epochs, strict=False)),
            ),
            ("step_factor", self.step_factor, "in (0, 1]", 0 < self.step_factor <= 1),
            ("epochs", self.epochs, "1 or more", self.epochs >= 1),
            ("batch_size", self.batch_size, "2 or more", self.batch_size >= 2),
            ("gradient_clip", self.gradient_clip, "0 or more", self.gradient_clip >= 0),
            (
                "weight_averaging",
                self.weight_averaging,
                "in [0, 1)",
                0 <= self.weight_averaging < 1,
            ),
            ("patience", self.patience, "0 or more", self.patience >= 0),
            ("seed", self.seed, "0 or more", self.seed >= 0),
            ("split_seed", self.split_seed, "0 or more", self.split_seed >= 0),
            ("num_nodes", self.num_nodes, "1 or more", self.num_nodes >= 1),
            ("threads", self.threads, "1 or more", self.threads >= 1),
        )


@dataclass(frozen=True)
class RunConfig:
    """Everything that shapes a training run but the data: graph, model and optimisation."""

    graph: GraphConfig = field(default_factory=GraphConfig)
    model: NetworkConfig = field(default_factory=CgcnnConfig)  # of one of NETWORKS
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        network_name(self.model)  # refuses what is no config of a model

    @property
    def model_kind(self) -> str:
        """The name of the model in `NETWORKS`."""
        return network_name(self.model)


def preset(name: str) -> RunConfig:
    """Give the settings of a preset: `default`, or `paper`, those of the code of 2018.

    `paper` is exactly 12 nearest neighbours, 3 gated convolutions of width 64 with batch
    normalisation and softplus after the residual, one hidden layer of 128, and plain SGD on the
    squared error for 30 epochs. Its step schedule begins after epoch 100, as in that code, which
    is to say never by itself: it is there for who trains longer.

    >>> preset("paper").train.optimiser
    'sgd'
    """
    if name == "default":
        return RunConfig()
    if name == "paper":
        return RunConfig(GraphConfig(rule="nearest"), NETWORK_OF_2018, _PAPER_TRAINING)
    raise UnknownName("preset", name, PRESETS)


_PAPER_TRAINING = TrainConfig(
    loss="mse",
    optimiser="sgd",
    learning_rate=0.01,
    momentum=0.9,
    weight_decay=0.0,
    schedule="step",
    step_epochs=(100,),
    step_factor=0.1,
    epochs=30,
    batch_size=256,
    weight_averaging=0.0,
)
