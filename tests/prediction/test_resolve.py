"""Models by path, by the name of a shipped one, and by an address of the hub."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest

from tests.prediction.hub_on_loopback import Hub, serve_hub
from tests.training.tiny import make_tiny, small_config
from tests.zoo import ZOO
from xtalgraph.errors import BadCheckpoint, BadConfig, MissingExtra, UnknownName
from xtalgraph.nn import resolve as shipped
from xtalgraph.nn.hub import fetch_model
from xtalgraph.nn.resolve import (
    ENSEMBLE,
    find_weights,
    read_ensemble_description,
    resolve_model,
)
from xtalgraph.prediction import load_model
from xtalgraph.prediction.catalogue import describe_shipped, publish_model
from xtalgraph.prediction.ensemble import count_bytes, read_ensemble
from xtalgraph.structures.crystal import Crystal
from xtalgraph.training import Progress, resume_run, start_from, train

SHIPPED = [shipped.SHIPPED / name for name in shipped.shipped_names()]
LARGEST = 15e6  # bytes in the wheel, all models together
SALT = Crystal(2.82 * (np.ones((3, 3)) - np.eye(3)), [[0, 0, 0], [0.5, 0.5, 0.5]], [11, 17], "NaCl")


@pytest.fixture
def shelf(packed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the tiny ensemble, in the place of the shipped ones."""
    monkeypatch.setattr(shipped, "SHIPPED", packed.parent)
    return packed.parent


def test_a_name_is_found_and_an_unknown_one_answered_with_the_nearest(shelf: Path) -> None:
    assert resolve_model("tiny-energy") == shelf / "tiny-energy"
    with pytest.raises(UnknownName, match=r"'tiny-enrgy'\. Did you mean 'tiny-energy'\? Legal: "):
        load_model("tiny-enrgy")


def test_a_path_that_exists_wins_over_a_name(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny-energy").mkdir()
    assert resolve_model("tiny-energy") == Path("tiny-energy")
    with pytest.raises(BadCheckpoint, match="tiny-energy has no model"):
        load_model("tiny-energy")


@pytest.mark.parametrize("text", ["./tiny-energy", "runs/mine", "model.json"])
def test_what_looks_like_a_path_is_one(shelf: Path, text: str) -> None:
    assert resolve_model(text) == Path(text)
    assert resolve_model(Path("tiny-energy")) == Path("tiny-energy")


@pytest.fixture
def public(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The same in the place of the public one, for what takes no other address."""
    constants = huggingface_hub.constants
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    return hub


def test_a_member_is_a_model_wherever_its_ensemble_lies(public: Hub, shelf: Path) -> None:
    publish_model(shelf / "tiny-energy", "me/mine")
    expected = load_model(shelf / "tiny-energy" / "member-2").predict(ZOO["NaCl"]).values
    for name in ("tiny-energy/member-2", "hf:me/mine/member-2", "hf://me/mine/member-2"):
        assert np.array_equal(load_model(name).predict(ZOO["NaCl"]).values, expected)
    assert not np.array_equal(load_model("hf:me/mine").predict(ZOO["NaCl"]).values, expected)
    for name in ("tiny-energy/member-3", "hf:me/mine/member-0"):
        with pytest.raises(BadConfig, match="the ensemble has 2 members"):
            load_model(name)


def test_a_run_starts_from_a_model_of_the_hub_and_is_resumed(
    public: Hub, packed: Path, tmp_path: Path
) -> None:
    publish_model(packed, "me/mine")
    config = start_from("hf:me/mine", small_config("train.epochs=2"))
    assert config.train.start_from == "hf:me/mine/member-1"
    local = start_from(packed, small_config("train.epochs=2"))
    expected = train(make_tiny(), "energy", out=tmp_path / "local", config=local)

    def stop(progress: Progress) -> None:
        if progress.is_epoch_end:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(make_tiny(), "energy", out=tmp_path / "run", config=config, on_progress=stop)
    run = resume_run(tmp_path / "run", dataset=make_tiny())
    assert {**run.metrics, "seconds": 0} == {**expected.metrics, "seconds": 0}


def test_the_catalogue_says_what_a_model_is_for(shelf: Path) -> None:
    (row,) = describe_shipped()
    assert row["name"] == "tiny-energy"
    assert row["predicts"] == "energy [eV/atom], gap [eV]"
    assert row["error"].count("MAE") == 2
    assert row["error"].endswith(" eV")
    assert row["networks"] == 2
    assert 0 < row["mb"] < 0.3


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_shipped_model_predicts_and_has_its_card(folder: Path) -> None:
    result = load_model(folder.name).predict(SALT)
    assert np.isfinite(result.values).all()
    assert result.coverage == 0.9
    assert result.domain is not None
    card = (folder / shipped.CARD).read_text(encoding="utf-8")
    assert "CC-BY-4.0" in card or "MIT" in card  # of the data
    for word in (
        f"# {folder.name}\n",
        "licence",
        "## Errors",
        "## How sure it is",
        "Elements in",
    ):
        assert word in card
    assert (folder / "calibration.png").is_file()


def test_the_shipped_models_are_small_and_nothing_but_data() -> None:
    folders = [folder for folder in shipped.SHIPPED.iterdir() if folder.is_dir()]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    files = [file for file in files if "__pycache__" not in file.parts]
    assert sum(file.stat().st_size for file in files) <= LARGEST
    assert {file.suffix for file in files} <= {".json", ".safetensors", ".md", ".png"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine, and an empty cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with serve_hub() as served:
        yield served


def test_networks_that_are_shared_are_counted_and_published(
    hub: Hub, packed: Path, tmp_path: Path
) -> None:
    mine = shutil.copytree(packed, tmp_path / "mine")
    shutil.move(mine / "member-2", tmp_path / "shared" / "member-2")
    file = mine / "ensemble.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"member-2"', '"../shared/member-2"'), encoding="utf-8")
    assert abs(count_bytes(mine) - count_bytes(packed)) < 100
    expected = load_model(packed).predict(ZOO["NaCl"]).values
    assert np.array_equal(load_model(mine).predict(ZOO["NaCl"]).values, expected)
    publish_model(mine, "me/mine", endpoint=hub.address)
    fetched = fetch_model("hf:me/mine", endpoint=hub.address)
    assert np.array_equal(load_model(fetched).predict(ZOO["NaCl"]).values, expected)


def test_the_weights_of_a_model_are_found_wherever_they_lie(tmp_path: Path) -> None:
    """Networks that are shared as well, so that what is checksummed is what predicts."""
    for folder in SHIPPED:
        files = find_weights(folder)
        members = len(read_ensemble(folder).members)
        assert [file.name for file in files] == [ENSEMBLE] + ["model.safetensors"] * members
        assert all(file.is_file() for file in files)
        assert find_weights(folder / ENSEMBLE) == files
    checkpoint = tmp_path / "net.pth.tar"
    checkpoint.write_bytes(b"numbers")
    assert find_weights(checkpoint) == [checkpoint]


def test_a_model_goes_to_the_hub_and_comes_back(hub: Hub, packed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(packed, tmp_path / "mine")
    (folder / "secret.pkl").write_bytes(b"x")
    assert publish_model(folder, "me/mine", endpoint=hub.address) == "hf:me/mine"
    sent = hub.repositories["me/mine"]
    assert "member-2/model.safetensors" in sent
    assert sent["README.md"] == (packed / "card.md").read_bytes()
    assert "secret.pkl" not in sent
    sent["evil.pkl"] = sent["member-1/evil.bin"] = b"x"
    fetched = fetch_model("hf:me/mine", endpoint=hub.address)
    assert not list(fetched.rglob("evil*"))
    assert not [request for request in hub.requests if "evil" in request]
    before, after = (load_model(path).predict(ZOO["NaCl"]) for path in (packed, fetched))
    assert np.array_equal(before.values, after.values)


def test_what_was_fetched_once_needs_no_network(hub: Hub, packed: Path) -> None:
    publish_model(packed, "me/mine", endpoint=hub.address)
    fetched = fetch_model("hf://me/mine", endpoint=hub.address)
    seen = len(hub.requests)
    assert fetch_model("hf:me/mine", endpoint=hub.address) == fetched
    assert not [request for request in hub.requests[seen:] if "resolve" in request]
    assert fetch_model("hf:me/mine", endpoint=closed_address()) == fetched


def closed_address() -> str:
    """An address on this machine at which nobody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_what_cannot_be_fetched_or_published_is_told(
    hub: Hub, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadCheckpoint, match="hf:me/nowhere cannot be fetched"):
        fetch_model("hf:me/nowhere", endpoint=hub.address)
    with pytest.raises(BadConfig, match=r"is no model of the hub\. Write hf:OWNER/NAME"):
        fetch_model("hf:nowhere")
    with pytest.raises(BadConfig, match="'mine' is no name of the hub"):
        publish_model(packed, "mine", endpoint=hub.address)
    with pytest.raises(BadCheckpoint, match="is no packed ensemble"):
        publish_model(tmp_path, "me/mine", endpoint=hub.address)
    with pytest.raises(BadConfig, match="me/mine cannot be published"):
        publish_model(packed, "me/mine", endpoint=closed_address())
    monkeypatch.setenv("HF_TOKEN", "hf_of_another")
    with pytest.raises(BadConfig, match=r"me/mine cannot be published.*hf auth login"):
        publish_model(packed, "me/mine", endpoint=hub.address)
    assert "me/mine" not in hub.repositories


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as if it were not installed
    with pytest.raises(MissingExtra, match=r"pip install 'xtalgraph\[hub\]'"):
        fetch_model("hf:me/mine")


def test_a_release_can_be_pinned(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in (("tiny-energy", "0.2"), ("tiny-energy@0.1", "0.1")):
        shutil.copytree(packed, tmp_path / name)
        description = read_ensemble_description(packed) | {"name": "tiny-energy"}
        (tmp_path / name / ENSEMBLE).write_text(json.dumps(description | {"version": version}))
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    assert shipped.shipped_names() == ["tiny-energy"]
    for name, version in (("", "0.2"), ("@0.2", "0.2"), ("@0.1", "0.1")):
        predictor = load_model(f"tiny-energy{name}")
        assert predictor.version == version
        result = predictor.predict(ZOO["NaCl"])
        expected = f"tiny-energy@{version}"
        assert "model_version" not in result.to_frame()
        assert result.to_frame(model_version=True)["model_version"].tolist() == [expected]
    with pytest.raises(UnknownName, match=r"version of tiny-energy '0\.3'.* Legal: 0\.1, 0\.2"):
        load_model("tiny-energy@0.3")
    with pytest.raises(UnknownName, match="Did you mean 'tiny-energy'"):
        load_model("tiny-enrgy@0.1")
    assert resolve_model("tiny-energy@0.1/member-2") == tmp_path / "tiny-energy@0.1" / "member-2"
    config = start_from("tiny-energy@0.1", small_config("train.epochs=2"))
    assert config.train.start_from == "tiny-energy@0.1/member-1"
    assert load_model("tiny-energy@0.1/member-1").model_version.startswith("sha256:")


def test_a_revision_of_the_hub_can_be_pinned(hub: Hub, packed: Path) -> None:
    publish_model(packed, "me/mine", endpoint=hub.address)
    fetch_model("hf:me/mine@v0.9", endpoint=hub.address)
    assert [request for request in hub.requests if "v0.9" in request]
