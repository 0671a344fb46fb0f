"""From a data set to a run folder that is complete and says the truth."""

import json
import signal
import tomllib

import numpy as np
import pandas as pd
import pytest
import torch

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data.splits import make_split, read_split
from xtalgraph.errors import BadConfig, BadDataset
from xtalgraph.graphs import build_graphs
from xtalgraph.nn import SavedModel, read_model
from xtalgraph.training import Progress, read_config, read_run, train

TINY = make_tiny()
FILES = {
    "config.toml",
    "manifest.json",
    "splits.csv",
    "history.csv",
    "metrics.json",
    "test_predictions.csv",
    "model.json",
    "model.safetensors",
}


def predict(model: SavedModel, rows: np.ndarray) -> np.ndarray:
    """Give the model's outputs in units (or probabilities), by its public parts alone."""
    graph = build_graphs(TINY.crystals.take(rows), model.graph_config)
    with torch.no_grad():
        outputs = model.network(graph).double()
    if model.normaliser is None:
        return outputs.softmax(dim=1).numpy()
    return model.normaliser.inverse_transform(outputs.numpy())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    return train(
        TINY,
        "energy",
        out=tmp_path_factory.mktemp("runs") / "a",
        config=small_config("train.epochs=4"),
    )


def test_the_run_folder_is_complete(run) -> None:
    assert {path.name for path in run.folder.iterdir()} - {".lock"} == FILES
    assert read_config(run.folder / "config.toml") == small_config("train.epochs=4")
    record = tomllib.loads((run.folder / "config.toml").read_text())["data"]
    assert record["checksum"] == TINY.checksum
    assert (record["targets"], record["units"], record["task"]) == (
        ["energy"],
        ["eV/atom"],
        "regression",
    )
    split, expected = read_split(run.folder / "splits.csv", TINY), make_split(TINY)
    for part in ("train", "validation", "test"):
        assert split.part(part).tolist() == expected.part(part).tolist()


def test_the_history_has_a_row_an_epoch_with_units(run) -> None:
    assert run.history.columns.tolist() == [
        "epoch",
        "train_loss",
        "validation_loss",
        "validation_mae energy [eV/atom]",
        "learning_rate",
        "seconds",
        "crystals_per_second",
    ]
    assert run.history["epoch"].tolist() == [1, 2, 3, 4]
    assert np.isfinite(run.history.to_numpy()).all()
    assert (run.history["train_loss"].iloc[-1]) < run.history["train_loss"].iloc[0]


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_saved_model_is_the_best_of_the_validated_ones(decay: float, tmp_path) -> None:
    """Weights, running statistics and the log belong to one another, averaged or not."""
    config = small_config(f"train.weight_averaging={decay}", "train.learning_rate=0.05")
    result = train(TINY, "energy", out=tmp_path / "a", config=config)
    errors = result.history["validation_mae energy [eV/atom]"]
    best = int(errors.argmin())
    assert result.metrics["best_epoch"] == best + 1
    rows = make_split(TINY).validation
    predicted = predict(read_model(tmp_path / "a"), rows)[:, 0]
    error = np.abs(predicted - TINY.columns["energy"].to_numpy()[rows]).mean()
    assert error == pytest.approx(errors[best], rel=1e-5)
    assert all(abs(error - other) > 1e-4 for other in errors.drop(best))


def test_the_best_model_need_not_be_the_last(tmp_path) -> None:
    settings = ("learning_rate=3.0", "schedule=constant", "weight_averaging=0", "epochs=6")
    config = small_config(*(f"train.{setting}" for setting in settings))
    result = train(TINY, "energy", out=tmp_path / "a", config=config)
    errors = result.history["validation_mae energy [eV/atom]"]
    assert result.metrics["best_epoch"] == int(errors.argmin()) + 1 < 6
    found = result.metrics["validation"]["energy"]["mean_absolute_error"]
    assert found == pytest.approx(errors.min(), rel=1e-5)


def test_test_predictions_are_those_of_the_saved_model(run) -> None:
    table = pd.read_csv(run.folder / "test_predictions.csv")
    assert table.columns.tolist() == ["id", "energy true [eV/atom]", "energy predicted [eV/atom]"]
    rows = make_split(TINY).test
    assert table["id"].tolist() == TINY.ids[rows].tolist()
    assert table.iloc[:, 1].tolist() == pytest.approx(TINY.columns["energy"][rows].tolist())
    assert table.iloc[:, 2].to_numpy() == pytest.approx(predict(run.model, rows)[:, 0], rel=1e-5)
    error = (table.iloc[:, 2] - table.iloc[:, 1]).abs().mean()
    scores = run.metrics["test"]["energy"]
    assert scores["mean_absolute_error"] == pytest.approx(error, rel=1e-6)
    assert scores["unit"] == "eV/atom"


def test_the_model_says_where_it_comes_from(run) -> None:
    origin = run.model.provenance
    assert origin["data_checksum"] == TINY.checksum
    assert origin["seed"] == 0
    assert set(origin["versions"]) == {"xtalgraph", "torch", "numpy", "python"}
    assert set(run.model.elements) <= {"F", "Na", "Li", "Cl", "K", "Br"}
    assert not run.was_finished
    again = read_run(run.folder)
    assert again.was_finished
    assert again.metrics == run.metrics


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(run, tmp_path) -> None:
    def weights(name: str, *assignments: str) -> dict[str, torch.Tensor]:
        config = small_config("train.epochs=4", *assignments)
        return train(TINY, "energy", out=tmp_path / name, config=config).model.network.state_dict()

    first, other = run.model.network.state_dict(), weights("b", "train.seed=1")
    torch.manual_seed(99)  # whatever the caller's generator does
    same = weights("a")
    assert all(
        torch.equal(value.nan_to_num(), same[name].nan_to_num()) for name, value in first.items()
    )
    name = "output.1.weight"
    assert not torch.equal(first[name], other[name])


def global_numpy() -> list[int]:
    """Give the state of numpy's global generator."""
    return np.random.get_state()[1].tolist()  # noqa: NPY002


def test_nothing_of_the_caller_is_moved(tmp_path, capfd) -> None:
    before = torch.get_rng_state(), global_numpy()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    n_threads = torch.get_num_threads()
    config = small_config("train.epochs=1", f"train.threads={n_threads + 1}")
    seen = []
    train(
        TINY,
        "energy",
        out=tmp_path / "a",
        config=config,
        on_progress=lambda _: seen.append(torch.get_num_threads()),
    )
    assert set(seen) == {n_threads + 1}
    assert torch.get_num_threads() == n_threads
    assert torch.equal(torch.get_rng_state(), before[0])
    assert global_numpy() == before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert capfd.readouterr() == ("", "")


def test_progress_is_told_at_each_epoch_end(tmp_path) -> None:
    told: list[Progress] = []
    train(TINY, "energy", out=tmp_path / "a", config=small_config(), on_progress=told.append)
    ends = [progress for progress in told if progress.is_epoch_end]
    assert [progress.epoch for progress in ends] == [1, 2, 3]
    assert [progress.step for progress in ends] == [3, 6, 9]
    assert {progress.n_steps for progress in told} == {9}
    assert ends[-1].seconds_remaining == 0
    assert ends[0].seconds_remaining > 0
    assert ends[-1].crystals_per_second > 0
    assert "validation_mae energy [eV/atom]" in ends[0].validation


def test_several_targets_with_missing_labels(tmp_path) -> None:
    result = train(TINY, ["gap", "energy"], out=tmp_path / "a", config=small_config())
    assert {"validation_mae gap [eV]", "validation_mae energy [eV/atom]"} <= set(result.history)
    rows = make_split(TINY).test
    labels, predicted = TINY.values(["gap", "energy"])[rows], predict(result.model, rows)
    known = ~np.isnan(labels[:, 0])
    error = np.abs(predicted - labels)[known, 0].mean()
    assert result.metrics["test"]["gap"]["mean_absolute_error"] == pytest.approx(error, rel=1e-5)
    assert result.metrics["test"]["gap"]["n_missing"] == (~known).sum() > 0
    assert result.metrics["n_without_label"] == 0
    table = pd.read_csv(tmp_path / "a" / "test_predictions.csv")
    assert table["gap true [eV]"].isna().tolist() == (~known).tolist()
    assert table["gap predicted [eV]"].notna().all()


def test_two_classes(tmp_path) -> None:
    config = small_config("train.epochs=8", "train.learning_rate=0.02")
    result = train(TINY, "kind", task="classification", out=tmp_path / "a", config=config)
    assert result.model.task.classes == ("cesium", "rock salt")
    assert {"validation_accuracy", "validation_roc_auc"} <= set(result.history)
    rows = make_split(TINY).test
    table = pd.read_csv(tmp_path / "a" / "test_predictions.csv")
    assert table.columns.tolist() == [
        "id",
        "kind true",
        "kind predicted",
        "probability cesium",
        "probability rock salt",
    ]
    assert table.iloc[:, 3:].to_numpy() == pytest.approx(predict(result.model, rows), rel=1e-4)
    right = (table["kind true"] == table["kind predicted"]).mean()
    assert result.metrics["test"]["kind"]["accuracy"] == pytest.approx(right)
    best = result.metrics["best_epoch"] - 1
    assert best == result.history["validation_loss"].argmin()


def test_three_classes(tmp_path) -> None:
    result = train(TINY, "trio", task="classification", out=tmp_path / "a", config=small_config())
    assert "validation_roc_auc" not in result.history
    assert result.model.task.classes == ("9", "10", "11")
    table = pd.read_csv(tmp_path / "a" / "test_predictions.csv")
    assert table.iloc[:, 3:].sum(axis=1).to_numpy() == pytest.approx(1)


def test_the_paper_preset_and_tensorboard_train(tmp_path) -> None:
    assignments = ("optimiser=sgd", "loss=mse", "schedule=step", "tensorboard=true")
    config = small_config(
        "graph.rule=nearest",
        "train.learning_rate=0.01",
        "train.weight_averaging=0",
        "train.gradient_clip=1.0",
        *(f"train.{assignment}" for assignment in assignments),
    )
    train(TINY, "energy", out=tmp_path / "a", config=config)
    assert list((tmp_path / "a" / "tensorboard").glob("events.*"))


def test_training_stops_early(tmp_path) -> None:
    config = small_config(
        "train.patience=2", "train.epochs=30", "train.learning_rate=3.0", "train.weight_averaging=0"
    )
    result = train(TINY, "energy", out=tmp_path / "a", config=config)
    assert len(result.history) == result.metrics["best_epoch"] + 2 < 30


@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_a_diverging_run_says_what_to_do(loss: str, tmp_path) -> None:
    config = small_config(
        "train.optimiser=sgd",
        "train.learning_rate=1e30",
        f"train.loss={loss}",
        "train.schedule=constant",
    )
    with pytest.raises(BadConfig, match=r"not finite in epoch 1 \(learning rate 1e\+30\).*Lower"):
        train(TINY, "energy", out=tmp_path / "a", config=config)
    # nothing of it is worth keeping, so the same folder can be used again
    assert (
        train(TINY, "energy", out=tmp_path / "a", config=small_config()).history["epoch"].max() == 3
    )


def test_a_folder_with_a_run_is_not_overwritten(run) -> None:
    before = json.loads((run.folder / "metrics.json").read_text())
    with pytest.raises(BadConfig, match=r"already contains a run \(finished\)."):
        train(TINY, "gap", out=run.folder, config=small_config())
    assert json.loads((run.folder / "metrics.json").read_text()) == before


def test_data_that_cannot_be_learned_leave_no_folder(tmp_path) -> None:
    with pytest.raises(BadDataset):
        train(TINY, "constant", out=tmp_path / "a", config=small_config())
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.devices=none", "devices = 'none'"),
        ("train.accelerator=gpu", "accelerator = .gpu."),
    ],
)
def test_a_machine_that_cannot_be_had_is_refused(assignment: str, message: str, tmp_path) -> None:
    with pytest.raises(BadConfig, match=message):
        train(TINY, "energy", out=tmp_path / "a", config=small_config(assignment))


def test_double_precision_trains(tmp_path) -> None:
    config = small_config("train.precision=64-true", "train.epochs=1")
    result = train(TINY, "energy", out=tmp_path / "a", config=config)
    assert next(result.model.network.parameters()).dtype == torch.float64


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain torch"])
def test_bfloat16_learns_what_float32_learns_and_predicts_in_float32(compiled, tmp_path) -> None:
    activation = "silu" if compiled else "gelu"  # which no compiled form has
    runs = {}
    for precision in ("32-true", "bf16-mixed"):
        config = small_config(f"train.precision={precision}", f"model.activation={activation}")
        runs[precision] = train(TINY, "energy", out=tmp_path / precision, config=config)
    full, mixed = (run.history["train_loss"].to_numpy() for run in runs.values())
    assert np.isfinite(mixed).all()
    assert mixed == pytest.approx(full, rel=0.03)
    assert (mixed != full).all()  # so it did compute with fewer digits
    model = runs["bf16-mixed"].model
    assert {value.dtype for value in model.network.parameters()} == {torch.float32}
    assert model.network.backend.can_be_fused == compiled
    graph = build_graphs(TINY.crystals)
    assert model.network(graph).dtype == torch.float32


def test_reading_an_unfinished_run_is_refused(tmp_path) -> None:
    with pytest.raises(BadConfig, match=r"no finished run, metrics\.json is missing"):
        read_run(tmp_path)
