"""Trains the tiny data set with torch.compile and without, and prints how the runs differ.

A process of its own, because the checker of shapes that the tests run under cannot be traced. What
is traced runs by torch's own kernels (backend `aot_eager`), so that no C++ compiler is needed.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import load_file

import xtalgraph.nn.gated_sum.traced_form  # noqa: F401  (where the operators are made)
from tests.training.tiny import make_tiny, small_config
from xtalgraph.training import TrainedRun, resume_run, train
from xtalgraph.training.module import TrainingModule

TINY = make_tiny(43)
SETTINGS = {
    "cgcnn": ("train.compile=true",),
    "batch": ("train.compile=true", "model.normalisation=batch"),
    "filled up": ("train.compile=true", "train.cuda_graphs=true"),
}
OPERATOR = torch.ops.xtalgraph.sum_gated.default
graphs: list[int] = []  # for each that was traced: how many gated sums it has
sizes: set[tuple[int, ...]] = set()  # of the tensors that they were called with

_compile = torch.compile


def count(traced: torch.fx.GraphModule, inputs: list) -> Callable:
    """Keep what was traced, and let it run."""
    graphs.append(sum(node.target is OPERATOR for node in traced.graph.nodes))
    compute = torch._dynamo.lookup_backend("aot_eager")(traced, inputs)

    def note_sizes(*arguments: object) -> object:
        tensors = [one for one in arguments if isinstance(one, torch.Tensor)]
        sizes.add(tuple(tensor.numel() for tensor in tensors))
        return compute(*arguments)

    return note_sizes


def compile_counted(function: Callable, dynamic: bool, mode: str | None) -> Callable:
    """Compile with the backend that counts, which has no modes."""
    return _compile(function, dynamic=dynamic, backend=count)


def run(folder: Path, *assignments: str, stop_at: int | None = None) -> TrainedRun:
    """Train, and where it is asked break off at a step and resume."""
    step = TrainingModule.training_step

    def stopping_step(self: TrainingModule, batch: object, batch_index: int) -> torch.Tensor:
        if self.trainer.global_step == stop_at:
            raise KeyboardInterrupt
        return step(self, batch, batch_index)

    config = small_config("train.epochs=4", *assignments)
    with mock.patch.object(TrainingModule, "training_step", stopping_step):
        try:
            return train(TINY, ["energy", "gap"], out=folder, config=config)
        except KeyboardInterrupt:
            assert stop_at is not None
    return resume_run(folder, dataset=TINY)


def losses(run: TrainedRun) -> torch.Tensor:
    return torch.tensor([float(row) for row in run.history["train_loss"]])


def compare(folder: Path, *assignments: str) -> dict[str, object]:
    """Train three times."""
    of_model = [one for one in assignments if one.startswith("model")]
    plain = run(folder / "plain", *of_model)
    graphs.clear()
    sizes.clear()
    compiled = run(folder / "compiled", *assignments)
    traced, n_sizes = list(graphs), len(sizes)
    resumed = run(folder / "resumed", *assignments, stop_at=9)
    weights = [load_file(one.folder / "model.safetensors") for one in (plain, compiled, resumed)]
    return {
        "gated_sums": traced,
        "n_sizes": n_sizes,
        "loss": float((losses(compiled) / losses(plain) - 1).abs().max()),
        "learned": float(1 - losses(compiled)[-1] / losses(compiled)[0]),
        "same_names": all(set(one) == set(weights[0]) for one in weights),
        "resumed": max(
            float((weights[1][name].double() - value.double()).abs().max())
            for name, value in weights[2].items()
        ),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    backend = mock.patch("xtalgraph.training.module.torch.compile", compile_counted)
    any_compiler = mock.patch("xtalgraph.training.fitting._refuse_without_compiler")
    with backend, any_compiler:
        found = {
            name: compare(Path(sys.argv[1]) / name, *assignments)
            for name, assignments in SETTINGS.items()
        }
    print(json.dumps(found))
