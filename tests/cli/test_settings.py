"""`xtalgraph settings`: what `--set` may say, and what a wrong name is answered with."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

import pytest

from tests.cli.conftest import Call
from xtalgraph.cli.settings import list_settings
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import NETWORKS
from xtalgraph.settings import describe_settings, setting
from xtalgraph.training import TrainConfig, apply_overrides, preset


@dataclass(frozen=True)
class Example:
    """A config of the tests."""

    rate: float = setting(0.5, "how fast", above=0.0)
    kind: str = setting("a", "which of them", choices=("a", "b"))


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config of the tests in the place of that of graphs."""
    monkeypatch.setattr("xtalgraph.graphs.GraphConfig", Example)


def test_settings_are_listed_with_default_legal_values_and_meaning(
    call: Call, example: None
) -> None:
    shown = call("settings", "graph").out.splitlines()
    assert shown[0].split() == ["setting", "default", "legal", "meaning"]
    assert [line.split() for line in shown[1:]] == [
        ["graph.rate", "0.5", "above", "0", "how", "fast"],
        ["graph.kind", '"a"', "a", "|", "b", "which", "of", "them"],
    ]
    rows = json.loads(call("settings", "kind", "--json").out)
    assert [row["name"] for row in rows] == ["graph.kind", "model.kind"]
    assert rows[0] == {
        "section": "graph",
        "name": "graph.kind",
        "default": '"a"',
        "legal": "a | b",
        "meaning": "which of them",
    }


def test_a_name_that_is_none_is_answered_with_the_nearest(call: Call, example: None) -> None:
    outcome = call("settings", "graph.rat")
    assert outcome.status == 1
    assert "unknown setting 'graph.rat'. Did you mean 'graph.rate'?" in outcome.err


def test_every_setting_that_is_listed_can_be_set_to_its_default() -> None:
    names = [row.name for _, row in list_settings()]
    assert "model.kind" in names
    for section, row in list_settings():
        kind = section.partition(" = ")[2]
        words = [f"model.kind={kind}"] if kind else []
        assert apply_overrides(preset("default"), [*words, f"{row.name}={row.default}"])
    assert describe_settings(Example, "graph")[0].name == "graph.rate"


CONFIGS = [(GraphConfig, "graph"), (TrainConfig, "train")]
CONFIGS += [(network.config_class, "model") for network in NETWORKS.values()]


@pytest.mark.parametrize(("config", "section"), CONFIGS, ids=lambda one: str(one))
def test_the_help_of_a_config_class_says_the_same(config: type, section: str) -> None:
    described = describe_settings(config, section)
    assert [row.name for row in described] == [f"{section}.{one.name}" for one in fields(config)]
    for row in described:
        assert row.meaning in " ".join((config.__doc__ or "").split()), row.name


def test_a_name_that_is_mistyped_is_answered_with_the_nearest(call: Call) -> None:
    outcome = call("train", "mp-sample", "--target", "band_gap", "--set", "model.poolng=max")
    assert outcome.status == 1
    assert "Did you mean 'pooling'?" in outcome.err


def test_what_else_is_chosen_by_name_is_listed(call: Call) -> None:
    assert "composition_forest" in call("settings", "baselines").out
    assert ".cif" in call("settings", "formats").out


@pytest.mark.parametrize(
    ("short", "meant"),
    [("train.lr", "learning_rate"), ("train.bs", "batch_size"), ("train.wd", "weight_decay")],
)
def test_initials_are_answered_with_what_they_stand_for(call: Call, short: str, meant: str) -> None:
    assert f"Did you mean 'train.{meant}'?" in call("settings", short).err
