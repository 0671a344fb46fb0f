"""Settings: what the presets are, and that nothing illegal or misspelt comes through."""

import tomllib

import pytest
from hypothesis import given, settings, strategies as st

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.graphs import GraphConfig
from xtalgraph.training import (
    PRESETS,
    RunConfig,
    TrainConfig,
    apply_overrides,
    format_config,
    preset,
    read_config,
)


def test_the_paper_preset_is_the_code_of_2018() -> None:
    config = preset("paper")
    assert (config.graph.rule, config.graph.n_neighbours, config.graph.cutoff) == ("nearest", 12, 8)
    model = config.model
    assert (model.convolution, model.n_convolutions, model.atom_width) == ("gated", 3, 64)
    assert (model.hidden_width, model.n_hidden, model.normalisation) == (128, 1, "batch")
    assert (model.activate_residual, model.activation) == (True, "softplus")
    train = config.train
    assert (train.optimiser, train.learning_rate, train.momentum) == ("sgd", 0.01, 0.9)
    assert (train.loss, train.epochs, train.batch_size, train.weight_decay) == ("mse", 30, 256, 0)
    assert (train.schedule, train.step_epochs, train.step_factor) == ("step", (100,), 0.1)
    assert (train.weight_averaging, train.gradient_clip, train.patience) == (0, 0, 0)


def test_the_default_preset_keeps_shells_whole() -> None:
    config = preset("default")
    assert config == RunConfig()
    assert config.graph.rule == "shell"
    assert config.train.optimiser == "adamw"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_toml(name: str, tmp_path) -> None:
    text = format_config(preset(name), {"source": 'a "file"\n', "targets": ["gap"]})
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    other = preset("paper" if name == "default" else "default")
    assert read_config(tmp_path / "config.toml", base=other) == preset(name)
    assert tomllib.loads(text)["data"] == {"source": 'a "file"\n', "targets": ["gap"]}


def test_a_file_may_name_a_few_keys_only(tmp_path) -> None:
    (tmp_path / "a.toml").write_text('[model]\npooling = "max"\n[train]\nlearning_rate = 1\n')
    config = read_config(tmp_path / "a.toml", base=preset("paper"))
    assert config.model.pooling == "max"
    assert config.train.learning_rate == 1.0
    assert isinstance(config.train.learning_rate, float)
    assert config.train.optimiser == "sgd"


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.text(st.characters(codec="utf-8"))
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False)
        | st.lists(st.integers(0, 9)),
        min_size=1,
    )
)
def test_any_value_survives_toml(table: dict) -> None:
    assert tomllib.loads(format_config(RunConfig(), table))["data"] == table


def test_a_value_without_a_toml_form_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        format_config(RunConfig(), {"a": {1, 2}})


def test_a_config_of_0_1_is_read_without_what_is_gone(tmp_path) -> None:
    """Its compiler settings changed the speed alone; anywhere else they are refused."""
    (tmp_path / "a.toml").write_text("[train]\ncompile = true\ncuda_graphs = true\nepochs = 3\n")
    assert read_config(tmp_path / "a.toml").train == TrainConfig(epochs=3)
    with pytest.raises(UnknownName, match="'compile'"):
        apply_overrides(RunConfig(), ["train.compile=true"])


@pytest.mark.parametrize(
    ("assignment", "section", "key", "value"),
    [
        ("model.pooling=max", "model", "pooling", "max"),
        ('model.pooling="max"', "model", "pooling", "max"),
        ("train.learning_rate=1e-3", "train", "learning_rate", 1e-3),
        ("train.step_epochs=[3, 5]", "train", "step_epochs", (3, 5)),
        ("train.tensorboard=false", "train", "tensorboard", False),
        ("train.devices=auto", "train", "devices", "auto"),
        ("train.devices=2", "train", "devices", 2),
        (" graph.rule = radius", "graph", "rule", "radius"),
    ],
)
def test_an_override_sets_one_field(assignment: str, section: str, key: str, value) -> None:
    config = apply_overrides(preset("default"), [assignment])
    found = getattr(getattr(config, section), key)
    assert found == value
    assert type(found) is type(value)
    assert apply_overrides(config, []) == config


@pytest.mark.parametrize(
    ("assignment", "error", "message"),
    [
        ("train.epoch=3", UnknownName, r"unknown key in \[train\] 'epoch'. Did you mean 'epochs'"),
        ("trian.epochs=3", UnknownName, "unknown section 'trian'. Did you mean 'train'"),
        ("model.kind=cgcn", UnknownName, "unknown model 'cgcn'. Did you mean 'cgcnn'"),
        ("model.poolin=max", UnknownName, "Did you mean 'pooling'"),
        ("train.loss=l3", UnknownName, "unknown loss 'l3'. Did you mean 'l1'"),
        ("train.optimiser=adam", UnknownName, "Did you mean 'adamw'"),
        ("train.schedule=one-cycle", UnknownName, "Did you mean 'one_cycle'"),
        ("train.accelerator=gpuu", UnknownName, "unknown accelerator 'gpuu'. Did you mean 'gpu'"),
        ("train.strategy=ddpp", UnknownName, "unknown strategy 'ddpp'. Did you mean 'ddp'"),
        ("train.precision=32", UnknownName, "Did you mean '32-true'"),
        ("train.epochs=2.5", BadConfig, "train.epochs = 2.5: expected a whole number"),
        ("train.epochs=true", BadConfig, "train.epochs = True: expected a whole number"),
        ("train.loss=1", BadConfig, "train.loss = 1: expected a string"),
        ("train.learning_rate=fast", BadConfig, "learning_rate = 'fast': expected a number"),
        ("train.tensorboard=1", BadConfig, "train.tensorboard = 1: expected true or false"),
        ("train.step_epochs=3", BadConfig, r"expected a list such as \[1, 2\]"),
        ("train.step_epochs=[3.5]", BadConfig, "expected a whole number"),
        ("epochs=3", BadConfig, "write section.key=value"),
        ("train.epochs", BadConfig, "write section.key=value"),
    ],
)
def test_an_illegal_override_is_refused(assignment: str, error, message: str) -> None:
    with pytest.raises(error, match=message):
        apply_overrides(preset("default"), [assignment.replace("precision=32", 'precision="32"')])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate = 0.0; it must be above 0"),
        ({"momentum": 1.0}, r"momentum = 1.0; it must be 0 or more, below 1"),
        ({"weight_decay": -1.0}, "weight_decay = -1.0; it must be 0 or more"),
        ({"warm_up": 1.0}, r"warm_up = 1.0; it must be above 0, below 1"),
        ({"step_epochs": (5, 3)}, "step_epochs .* ascending"),
        ({"step_epochs": (0,)}, "step_epochs .* 1 or more"),
        ({"step_factor": 0.0}, r"step_factor = 0.0; it must be above 0, at most 1"),
        ({"epochs": 0}, "epochs = 0; it must be 1 or more"),
        ({"batch_size": 1}, "batch_size = 1; it must be 2 or more"),
        ({"gradient_clip": -0.1}, "gradient_clip = -0.1; it must be 0 or more"),
        ({"weight_averaging": 1.0}, r"weight_averaging = 1.0; it must be 0 or more, below 1"),
        ({"patience": -1}, "patience = -1; it must be 0 or more"),
        ({"seed": -1}, "train.seed = -1; it must be 0 or more"),
        ({"split_seed": -1}, "split_seed = -1; it must be 0 or more"),
        ({"num_nodes": 0}, "num_nodes = 0; it must be 1 or more"),
    ],
)
def test_a_value_out_of_range_is_refused(values: dict, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        TrainConfig(**values)


def test_what_is_no_model_config_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown model config 'GraphConfig'"):
        RunConfig(model=GraphConfig())


def test_an_unknown_preset_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'paper'"):
        preset("papers")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train\n", "not a TOML file: .*line 1"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("[train]\nepoch = 3\n", "Did you mean 'epochs'"),
        ("train = 3\n", r"\[train\] must be a section of keys, got 3"),
    ],
)
def test_a_bad_file_is_named(text: str, message: str, tmp_path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(BadConfig, match=f"mine.toml: .*{message}"):
        read_config(tmp_path / "mine.toml")
    with pytest.raises(BadConfig, match=r"other.toml: cannot be read \(No such file"):
        read_config(tmp_path / "other.toml")
