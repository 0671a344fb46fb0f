"""A search that never sees the test set, goes on where it was, keeps to its time, and is used."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data import Dataset
from xtalgraph.errors import BadConfig, MissingExtra
from xtalgraph.studies import tuning
from xtalgraph.studies.search_space import (
    DEFAULT_SPACE,
    Choice,
    Range,
    format_space,
    read_space,
    refuse_impossible,
)
from xtalgraph.studies.trials import Study, Trial
from xtalgraph.studies.tuning import Tuning, tune
from xtalgraph.training import read_config, resume_run, train
from xtalgraph.training.problem import Problem

TINY = make_tiny()
SPACE = {
    "train.learning_rate": Range(1e-3, 1e-2, log=True),
    "model.pooling": Choice(("mean", "max")),
}


def search(out: Path, n_trials: int = 3, epochs: int = 3, **others: object) -> Tuning:
    config = small_config(f"train.epochs={epochs}")
    return tune(TINY, "energy", out=out, config=config, space=SPACE, n_trials=n_trials, **others)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    return search(tmp_path_factory.mktemp("search"))


def test_the_best_settings_train_and_their_score_is_that_of_the_trial(
    found: Tuning, tmp_path: Path
) -> None:
    config = read_config(found.folder / "best.toml")
    assert config == found.best
    complete = found.trials[found.trials["state"] == "complete"]
    assert found.best_score == complete["score"].min()
    run = train(TINY, "energy", out=tmp_path / "run", config=config)
    again = run.history["validation_mae energy [eV/atom]"].min()
    assert again == pytest.approx(found.best_score)
    assert "test" in run.metrics


def test_no_trial_has_seen_the_test_part(found: Tuning, tmp_path: Path) -> None:
    parts = Problem.rows
    test_ids = set(TINY.ids[parts(found.problem, "test")].tolist())
    assert len(test_ids) == 8
    for name in found.trials["folder"]:
        split = pd.read_csv(found.folder / name / "splits.csv")
        assert set(split["part"]) == {"train", "validation"}
        assert not test_ids & set(split["id"])
        assert not (found.folder / name / "test_predictions.csv").exists()
    whole = train(TINY, "energy", out=tmp_path, config=found.best)  # what would be found, if it had
    assert test_ids & set(pd.read_csv(whole.folder / "splits.csv")["id"])
    assert "test_" not in (found.folder / "report.html").read_text()


def test_labels_of_the_test_part_do_not_matter(found: Tuning, tmp_path: Path) -> None:
    """The search on data whose test labels are wrong finds the same."""
    columns = TINY.columns.copy()
    columns.loc[found.problem.rows("test"), "energy"] += 100.0
    spoilt = Dataset(TINY.name, TINY.crystals, columns, TINY.targets, TINY.source, TINY.checksum)
    config = small_config("train.epochs=3")
    again = tune(spoilt, "energy", out=tmp_path, config=config, space=SPACE, n_trials=3)
    assert again.trials["score"].tolist() == found.trials["score"].tolist()


def test_the_first_trial_has_the_settings_as_given(found: Tuning) -> None:
    first = found.trials.iloc[0]
    assert (first["train.learning_rate"], first["model.pooling"]) == (5e-3, "mean")
    page = (found.folder / "report.html").read_text()
    assert f"The settings as given, trial 0: {first['score']:.4g} eV/atom." in page
    assert "xtalgraph train tiny --target energy --task regression" in page
    assert (found.folder / "figures" / "scores_over_settings.svg").is_file()


def test_it_goes_on_and_proposes_what_it_would_have(found: Tuning, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    search(tmp_path, n_trials=1)
    again = search(tmp_path, on_trial=lambda row, done, wanted: told.append((done, wanted)))
    assert told == [(2, 3), (3, 3)]  # trials of the earlier call count, and are not done again
    same = ["trial", "state", "score", *SPACE]
    pd.testing.assert_frame_equal(again.trials[same], found.trials[same])


def break_off(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[str]:
    """Let the second trial end by an error after two epochs; give the folders as they are begun."""
    begun: list[str] = []
    run = tuning.run_trial

    def run_and_break(study: Study, trial: Trial, watch: Callable[[object], None]) -> str:
        begun.append(Path(trial.path).name)

        def watch_and_break(progress: object) -> None:
            watch(progress)
            if len(begun) == 2 and progress.is_epoch_end and progress.epoch == 2:
                raise error

        return run(study, trial, watch_and_break)

    monkeypatch.setattr(tuning, "run_trial", run_and_break)
    return begun


def test_a_trial_that_was_killed_is_continued(
    found: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = break_off(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path)
    history = tmp_path / "runs" / begun[1] / "history.csv"
    before = pd.read_csv(history)
    assert len(before) == 2
    again = search(tmp_path)
    assert begun[2] == begun[1]
    assert pd.read_csv(history)["seconds"].tolist()[:2] == before["seconds"].tolist()
    assert again.trials["trial"].tolist() == [0, 2, 3]  # 1 is continued by 2, and not counted
    assert again.trials["score"][:2].tolist() == found.trials["score"][:2].tolist()


def test_a_trial_that_is_worse_than_the_median_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "N_BEFORE_PRUNING", 1)
    space = {"train.learning_rate": Choice((5e-3, 1e-7))}
    config = small_config("train.epochs=5")
    for seed in range(9):  # until the bad rate is proposed
        result = tune(
            TINY,
            "energy",
            out=tmp_path / str(seed),
            config=config,
            space=space,
            n_trials=2,
            seed=seed,
        )
        if len(set(result.trials["train.learning_rate"])) == 2:
            break
    first, second = result.trials.itertuples()
    assert (first.state, first.epochs) == ("complete", 5)
    assert (second.state, second.epochs) == ("pruned", 2)  # 30 % of five epochs are waited for
    folder = result.folder / second.folder
    assert not (folder / "metrics.json").exists()
    # and what was broken off is whole: it can be taken up by hand
    assert len(resume_run(folder, dataset=TINY).history) == 5


def test_the_time_is_kept_and_the_broken_trial_comes_first_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(tmp_path, n_trials=1, epochs=6)
    times = iter([0.0, 0.0, 0.0, 25.0, 25.0, 50.0, 50.0])  # each epoch takes 25 s of the minute
    clock = FakeTime(times)
    monkeypatch.setattr(tuning, "time", clock)
    first = search(tmp_path, n_trials=3, epochs=6, minutes=1.0)
    assert len(first.trials) == 1  # the second was broken off: a third epoch would take too long
    (folder,) = {path.name for path in (tmp_path / "runs").glob("trial-*")} - {
        Path(first.trials["folder"][0]).name
    }
    assert len(pd.read_csv(tmp_path / "runs" / folder / "history.csv")) == 2
    monkeypatch.setattr(tuning, "time", time)
    second = search(tmp_path, n_trials=2, epochs=6)
    assert Path(second.trials["folder"][1]).name == folder
    assert second.trials["epochs"][1] == 6


class FakeTime:
    """A clock that says given times, and the last one for ever."""

    def __init__(self, times: object) -> None:
        self.times, self.last = times, 0.0

    def monotonic(self) -> float:
        self.last = next(self.times, self.last)
        return self.last


def test_a_failing_trial_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    space = {"model.element_vectors": Choice(("no/such/file.json", "also/not.json"))}
    with pytest.raises(BadConfig, match=r"no trial was completed\. The first failed: .*--trials"):
        tune(TINY, "energy", out=tmp_path, config=small_config(), space=space, n_trials=2)
    space = {"model.element_vectors": Choice(("paper", "no/such/file.json"))}
    config = small_config("train.epochs=1")
    result = tune(TINY, "energy", out=tmp_path / "one", config=config, space=space, n_trials=6)
    assert {"complete", "fail"} == set(result.trials["state"])
    assert "no/such/file.json" in (result.folder / "report.html").read_text()


def test_another_search_in_the_same_folder_is_refused(found: Tuning) -> None:
    with pytest.raises(BadConfig, match=r"settings.train.epochs: 3 then, 4 now"):
        search(found.folder, epochs=4)


def test_classes_are_searched_by_log_loss(tmp_path: Path) -> None:
    config = small_config("train.epochs=2")
    result = tune(
        TINY, "kind", out=tmp_path, task="classification", config=config, space=SPACE, n_trials=1
    )
    history = pd.read_csv(tmp_path / result.trials["folder"][0] / "history.csv")
    assert result.best_score == pytest.approx(history["validation_loss"].min())


def test_several_targets_count_by_their_spread(tmp_path: Path) -> None:
    config = small_config("train.epochs=2")
    result = tune(TINY, "energy,gap", out=tmp_path, config=config, space=SPACE, n_trials=1)
    history = pd.read_csv(tmp_path / result.trials["folder"][0] / "history.csv")
    std = result.problem.normaliser.std
    scores = (
        history["validation_mae energy [eV/atom]"] / float(std[0])
        + history["validation_mae gap [eV]"] / float(std[1])
    ) / 2
    assert result.best_score == pytest.approx(scores.min())


def test_without_optuna_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"pip install 'xtalgraph\[tune\]'"):
        search(tmp_path)


def test_a_space_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    for space in (SPACE, DEFAULT_SPACE):
        file.write_text(format_space(space))
        assert read_space(file) == space
    refuse_impossible(DEFAULT_SPACE, small_config())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = [1, 2]", r"'epochs' stands outside a section"),
        ("[train]\nepochs = 3", r"train.epochs: 3: write a list, or \{ low = 1, high = 5 \}"),
        ("[train]\nepochs = { low = 1, hgih = 2 }", r"'hgih'\. Did you mean 'high'"),
        ("[train]\nepochs = { low = 1 }", r"low = 1, high = None: both must be numbers"),
        ("[train]\nepochs = { low = 3, high = 2 }", r"low < high is needed"),
        ("[train]\nepochs = { low = 0, high = 2, log = true }", r"0 < low < high is needed"),
        ("[train]\nepochs = { low = 1, high = 2, log = 1 }", r"log = 1: it must be true or false"),
        ("[train]\nepochs = []", r"give one value or more, each once"),
        ("[train]\nepochs = [[1], [2]]", r"a choice is among numbers, texts and true/false"),
    ],
)
def test_a_space_that_cannot_be_read_is_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text(text)
    with pytest.raises(BadConfig, match=message):
        read_space(file)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "the search space is empty"),
        ({"train.seed": Choice((0, 1))}, "train.seed is no matter of a search"),
        ({"train.learning_rat": Range(1e-3, 1e-2)}, "Did you mean 'learning_rate'"),
        ({"model.pooling": Choice(("mean", "meen"))}, "search space, model.pooling: .*'meen'"),
        ({"train.epochs": Range(1.5, 3.0)}, "expected a whole number"),
    ],
)
def test_a_space_of_impossible_settings_is_refused(space: dict, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        refuse_impossible(space, small_config())


def test_a_search_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="trials = 0, minutes = None: both must be above 0"):
        search(tmp_path, n_trials=0)
    with pytest.raises(BadConfig, match=r"minutes = 0\.0: both must be above 0"):
        search(tmp_path, minutes=0.0)
    with pytest.raises(BadConfig, match="each run of a study is one process"):
        tune(TINY, "energy", out=tmp_path, config=small_config("train.devices=2"))
    assert list(tmp_path.iterdir()) == []
