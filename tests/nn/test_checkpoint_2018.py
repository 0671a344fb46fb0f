"""Checkpoints of the 2018 code: read as they are, and nothing in them is run."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.errors import BadCheckpoint
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import Cgcnn, CgcnnConfig, read_model, save_model
from xtalgraph.nn.checkpoint_2018 import CITATION, read_checkpoint_2018

CONFIG = CgcnnConfig(
    n_convolutions=2,
    atom_width=4,
    activation="softplus",
    normalisation="batch",
    activate_residual=True,
    hidden_width=6,
)
PLACES = {
    "element_vectors.embedding": "embedding",
    "gate_and_message": "fc_full",
    "normalise_edges": "bn1",
    "normalise_sum": "bn2",
    "convolutions": "convs",
    "output.1": "conv_to_fc",
    "output.3": "fc_out",
}


def make_checkpoint(n_outputs: int = 1) -> dict[str, Any]:
    """Give what the 2018 code would write for a small network."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = Cgcnn(CONFIG, n_outputs).state_dict()
    theirs = {}
    for name, value in state.items():
        if name in ("element_vectors.vectors", "element_vectors.refusal", "bond_vectors.centres"):
            continue
        for ours, place in PLACES.items():
            name = name.replace(ours, place)
        theirs[name] = value
    return {
        "epoch": 3,
        "state_dict": theirs,
        "best_mae_error": torch.tensor(0.5),
        "optimizer": {"param_groups": [{"lr": 0.01}]},
        "normalizer": {"mean": torch.tensor(-2.0), "std": torch.tensor(0.5)},
        "args": {"task": "regression" if n_outputs == 1 else "classification"},
    }


def write(checkpoint: object, path: Path, *, zipped: bool = False) -> Path:
    torch.save(checkpoint, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", [False, True])
def test_a_checkpoint_is_read_and_converted(tmp_path: Path, zipped: bool) -> None:
    """The format of 2018, and that of torch since 1.6."""
    path = write(make_checkpoint(), tmp_path / "band-gap.pth.tar", zipped=zipped)
    saved = read_model(path)
    assert saved.model_config == CONFIG
    assert saved.graph_config == GraphConfig(rule="nearest", n_neighbours=12, cutoff=8.0)
    assert saved.task.targets[0].column == "band_gap [eV]"
    assert saved.normaliser is not None
    assert (saved.normaliser.mean, saved.normaliser.std) == ((-2.0,), (0.5,))
    assert not saved.network.training
    assert saved.provenance["citation"] == CITATION
    assert saved.provenance["source_file"] == "band-gap.pth.tar"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Cgcnn(CONFIG, 1).eval()
    graph = build_graphs(ZOO["SrTiO3"], GraphConfig(rule="nearest"))
    assert torch.equal(saved.network(graph), network(graph))
    converted = read_model(save_model(saved, tmp_path / "ours"))
    assert torch.equal(converted.network(graph), network(graph))
    for field in ("model_config", "graph_config", "task", "normaliser", "elements", "provenance"):
        assert getattr(converted, field) == getattr(saved, field), field


def test_a_file_of_another_name_predicts_a_target_without_unit(tmp_path: Path) -> None:
    saved = read_model(write(make_checkpoint(), tmp_path / "model_best.pth.tar"))
    assert saved.task.targets[0].column == "target"
    classifier = read_model(write(make_checkpoint(2), tmp_path / "model_best.pth.tar"))
    assert (classifier.task.kind, classifier.task.classes) == ("classification", ("0", "1"))
    assert classifier.normaliser is None
    shipped = write(make_checkpoint(2), tmp_path / "semi-metal-classification.pth.tar")
    assert read_model(shipped).task.classes == ("false", "true")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, call: Callable[..., object], argument: str) -> None:
        self.call, self.argument = call, argument

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, (self.argument,)


def traps(sign: Path) -> dict[str, Trap]:
    return {
        "system": Trap(os.system, f"touch {sign}"),
        "eval": Trap(eval, f"__import__('pathlib').Path({str(sign)!r}).touch()"),
        "mkdir": Trap(os.mkdir, str(sign)),
    }


@pytest.mark.parametrize("kind", ["system", "eval", "mkdir"])
@pytest.mark.parametrize("form", ["2018", "zip", "pickle", "tar"])
@pytest.mark.parametrize("place", ["whole", "args", "state_dict"])
def test_nothing_in_a_malicious_file_is_run(
    tmp_path: Path, kind: str, form: str, place: str
) -> None:
    sign = tmp_path / "sprung"
    trap = traps(sign)[kind]
    content = trap if place == "whole" else make_checkpoint() | {place: trap}
    path = tmp_path / "band-gap.pth.tar"
    if form == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    elif form == "tar":  # torch's form before 0.1.10: pickles in an archive
        data = pickle.dumps(content, protocol=2)
        with tarfile.open(path, "w") as archive:
            for name in ("sys_info", "storages", "tensors", "pickle"):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    else:
        write(content, path, zipped=form == "zip")
    with pytest.raises(BadCheckpoint, match="was not read"):
        read_model(path)
    assert not sign.exists()


def test_shown_to_fail_the_traps_work_where_a_pickle_is_run(tmp_path: Path) -> None:
    for name, trap in traps(tmp_path / "sprung").items():
        path = write({"args": trap}, tmp_path / f"{name}.pth.tar")
        torch.load(path, weights_only=False)
        sign = tmp_path / "sprung"
        assert sign.exists(), name
        sign.rmdir() if sign.is_dir() else sign.unlink()


def without(checkpoint: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in checkpoint.items() if name != key}


def with_state(checkpoint: dict[str, Any], **changes: torch.Tensor | None) -> dict[str, Any]:
    state = checkpoint["state_dict"] | {key.replace("__", "."): v for key, v in changes.items()}
    return checkpoint | {"state_dict": {k: v for k, v in state.items() if v is not None}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [c], "has no 'state_dict'"),
        (lambda c: without(c, "state_dict"), "has no 'state_dict'"),
        (lambda c: c | {"state_dict": {"a": 3}}, "has no 'state_dict'"),
        (lambda c: c | {"state_dict": {}}, "not the numbers of a network"),
        (lambda c: c | {"args": Namespace(task="regression")}, "names nothing but numbers"),
        (lambda c: without(c, "normalizer"), "'normalizer' has no mean and std"),
        (lambda c: c | {"normalizer": {"mean": 0.0, "std": 0.0}}, "the std 0"),
        (lambda c: with_state(c, fc_out__bias=None), r"output\.3\.bias is missing"),
        (lambda c: with_state(c, fc_out__weight=None), "fc_out.weight"),
        (lambda c: with_state(c, head__weight=torch.zeros(1)), "'head.weight' is not a name"),
        (lambda c: with_state(c, fc_out__bias=torch.zeros(2)), "size mismatch"),
        (lambda c: with_state(c, embedding__weight=torch.zeros(4, 7)), "have 7 components"),
        (lambda c: make_checkpoint(2) | {"args": {"task": "regression"}}, "of 2 targets"),
    ],
)
def test_what_is_no_network_of_2018_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    path = write(change(make_checkpoint()), tmp_path / "x.pth.tar")
    with pytest.raises(BadCheckpoint, match=message) as caught:
        read_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_broken_file_is_refused(tmp_path: Path, zipped: bool) -> None:
    path = write(make_checkpoint(), tmp_path / "x.pth.tar", zipped=zipped)
    content = path.read_bytes()
    for n_bytes in (0, 1, 40, 500, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:n_bytes])
        with pytest.raises(BadCheckpoint, match="is broken"):
            read_model(path)
    with pytest.raises(BadCheckpoint, match="does not exist"):
        read_checkpoint_2018(tmp_path / "nowhere.pth.tar")
