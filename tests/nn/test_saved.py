"""Models on disk: what is written is what is read, and whatever is broken is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tests.zoo import ZOO
from xtalgraph.errors import BadCheckpoint
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import (
    Cgcnn,
    CgcnnConfig,
    Normaliser,
    SavedModel,
    Task,
    read_model,
    save_model,
)
from xtalgraph.units import Target

CONFIG = CgcnnConfig(atom_width=8, hidden_width=6, n_convolutions=2)
GRAPH = build_graphs([ZOO["SrTiO3"], ZOO["NaCl"]])


def make_saved(config: CgcnnConfig = CONFIG) -> SavedModel:
    network = Cgcnn(config, 2)
    network(GRAPH)  # moves the running statistics
    return SavedModel(
        weights=network.eval(),
        model_config=config,
        graph_config=GraphConfig(rule="shell", n_neighbours=10, cutoff=7.0),
        task=Task("regression", (Target("gap", "eV"), Target("energy", "eV/atom", "atom"))),
        normaliser=Normaliser((0.1, -3.0), (1 / 3, 2.0)),
        elements=("O", "Ti", "Sr"),
        provenance={"data": "a.csv", "sha256": "ab", "versions": {"torch": "2"}},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(make_saved(), tmp_path / "run")


@pytest.mark.parametrize("end", ["", "model.json", "model.safetensors"])
def test_what_is_written_is_read(tmp_path: Path, end: str) -> None:
    saved = make_saved()
    read = read_model(save_model(saved, tmp_path) / end)
    assert torch.equal(read.network(GRAPH), saved.network(GRAPH))
    assert not read.network.training
    for field in ("model_config", "graph_config", "task", "normaliser", "elements", "provenance"):
        assert getattr(read, field) == getattr(saved, field), field
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def test_weights_stored_as_float16_are_read_as_float32(tmp_path: Path) -> None:
    saved = make_saved()
    whole = save_model(saved, tmp_path / "whole") / "model.safetensors"
    half = save_model(saved, tmp_path / "half", weights="float16") / "model.safetensors"
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    network = read_model(half).network
    learned = {name for name, _ in network.named_parameters()}
    for name, value in network.state_dict().items():
        expected = saved.network.state_dict()[name]
        assert value.dtype == expected.dtype, name
        tolerance = 2**-11 if name in learned else 0.0
        torch.testing.assert_close(value, expected, rtol=tolerance, atol=1e-7, equal_nan=True)
    difference = (network(GRAPH) - saved.network(GRAPH)).abs().max().item()
    assert 0 < difference < 0.02


def test_a_weight_beyond_float16_is_refused(tmp_path: Path) -> None:
    saved = make_saved()
    with torch.no_grad():
        saved.network.output[-1].bias[0] = 1e6
    with pytest.raises(BadCheckpoint, match=r"bias has numbers that float16 cannot hold"):
        save_model(saved, tmp_path, weights="float16")


def test_a_classifier_and_float64_are_read_as_written(tmp_path: Path) -> None:
    saved = make_saved()
    classifier = SavedModel(
        saved.network.double(),
        CONFIG,
        saved.graph_config,
        Task("classification", (Target("is_metal"),), ("no", "yes")),
        None,
        (),
        {},
    )
    read = read_model(save_model(classifier, tmp_path))
    assert read.normaliser is None
    assert read.task == classifier.task
    assert read.network(GRAPH).dtype == torch.float64
    assert torch.equal(read.network(GRAPH), saved.network(GRAPH))


def test_own_element_vectors_travel_with_the_model(tmp_path: Path) -> None:
    vectors = tmp_path / "atom_init.json"
    vectors.write_text(json.dumps({str(z): [z / 10, z % 7, 1] for z in range(1, 60)}))
    saved = make_saved(CgcnnConfig(atom_width=8, element_vectors=str(vectors)))
    run = save_model(saved, tmp_path / "run")
    vectors.unlink()
    read = read_model(run)
    assert torch.equal(read.network(GRAPH), saved.network(GRAPH))
    assert read.network.known_elements == list(range(1, 60))


def test_learned_element_vectors_are_read(tmp_path: Path) -> None:
    saved = make_saved(CgcnnConfig(atom_width=8, element_vectors="learned"))
    read = read_model(save_model(saved, tmp_path))
    assert torch.equal(read.network(GRAPH), saved.network(GRAPH))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "model.json"
    description = json.loads(file.read_text())
    change(description)
    file.write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=4), "format 4, expected one of 1, 2, 3"),
        (lambda d: d.pop("format"), "format None, expected one of 1, 2, 3"),
        (lambda d: d.pop("elements"), "'elements' is missing"),
        (lambda d: d.update(task=3), "'task' is missing or of a wrong type"),
        (lambda d: d.update(model="cgcmm"), r"unknown model 'cgcmm'. Did you mean 'cgcnn'\?"),
        (lambda d: d["model_config"].update(wdth=3), "differs in the settings wdth"),
        (lambda d: d["model_config"].pop("pooling"), "differs in the settings pooling"),
        (lambda d: d["model_config"].update(pooling="men"), "unknown pooling 'men'"),
        (lambda d: d["graph"].update(rule="shel"), "unknown neighbour rule 'shel'"),
        (lambda d: d["task"].pop("kind"), "kind"),
        (lambda d: d["task"].update(targets=[]), "name at least one"),
        (lambda d: d["normaliser"].pop("std"), "std"),
        (
            lambda d: d["model_config"].update(atom_width=9),
            r"embedding.weight is \(8, 92\), expected \(9, 92\);.* more",
        ),
        (lambda d: d["model_config"].update(n_convolutions=1), "is not known"),
        (lambda d: d["model_config"].update(n_convolutions=3), "is missing"),
        (lambda d: d.update(weights_sha256="0"), "checksums differ"),
    ],
)
def test_a_changed_description_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(BadCheckpoint, match=message) as caught:
        read_model(folder)
    assert str(folder) in str(caught.value)


def test_a_description_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "model.json").write_text('{"format": 1,')
    with pytest.raises(BadCheckpoint, match="is not JSON"):
        read_model(folder)


@pytest.mark.parametrize("n_bytes", [0, 5, 100, -1])
def test_truncated_numbers_are_refused(folder: Path, n_bytes: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:n_bytes])
    with pytest.raises(BadCheckpoint, match="is broken"):
        read_model(folder)


def test_numbers_of_another_run_are_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    state = safetensors.torch.load(file.read_bytes())
    state["output.1.bias"] += 1
    file.write_bytes(safetensors.torch.save(state))
    with pytest.raises(BadCheckpoint, match="checksums differ"):
        read_model(folder)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BadCheckpoint, match=f"has no {name}"):
        read_model(folder)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="does not exist"):
        read_model(tmp_path / "nowhere")
    with pytest.raises(BadCheckpoint, match=r"no model.json and no model.safetensors"):
        read_model(tmp_path)
    (tmp_path / "a.csv").write_text("id\n")
    with pytest.raises(BadCheckpoint, match="is no model"):
        read_model(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["last.ckpt", "band-gap.tar", "model.pt", "model.pkl"])
def test_pickles_are_never_read(tmp_path: Path, name: str) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save(Trap(), tmp_path / name)
    with pytest.raises(BadCheckpoint, match="can be a pickle"):
        read_model(tmp_path / name)
    assert not (tmp_path / "sprung").exists()
