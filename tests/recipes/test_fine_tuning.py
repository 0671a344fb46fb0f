"""What fine-tuning gains: its table, its parts and its whole way, on crystals made by hand."""

from pathlib import Path

import pandas as pd
import pytest
from recipes.fine_tuning_gain import (
    RATES,
    TARGET,
    WAYS,
    draw_split,
    make_config,
    measure,
    score_untuned,
    split_test,
    summarise,
)

from recipes import fine_tuning_gain
from tests.training.tiny import make_tiny, small_config
from xtalgraph.data import Dataset
from xtalgraph.data.composition import reduced_formulas
from xtalgraph.training import train


def make_homework(n_crystals: int = 90) -> Dataset:
    tiny = make_tiny(n_crystals)
    columns = pd.DataFrame({TARGET.name: tiny.values(["energy"])[:, 0]})
    return Dataset("made", tiny.crystals, columns, {TARGET.name: TARGET}, "by hand", "0")


def test_no_formula_is_learned_and_tested() -> None:
    formulas = [f"A{number % 30}" for number in range(90)]
    pool, test = split_test(formulas, {f"A{number}" for number in range(20)} | {"B"})
    assert sorted([*pool, *test]) == list(range(90))
    assert not {formulas[row] for row in pool} & {formulas[row] for row in test}
    assert len({formulas[row] for row in test}) == 10
    split = draw_split(pool, test, 50, seed=1)
    assert (len(split.train), len(split.validation)) == (40, 10)
    assert set(split.train) | set(split.validation) <= set(pool)
    other = draw_split(pool, test, 50, seed=2)
    assert split.train.tolist() != other.train.tolist()


def test_the_rate_is_chosen_by_validation_and_not_by_test() -> None:
    rows = pd.DataFrame(
        [
            {"size": 50, "seed": seed, "way": "fine-tuned", "rate": rate, **errors}
            for seed, test in ((0, 0.5), (1, 0.7))
            for rate, errors in (
                (5e-3, {"validation": 0.1, "test": test}),
                (1e-3, {"validation": 0.2, "test": 0.01}),
            )
        ]
    )
    (row,) = summarise(rows).to_dict("records")
    assert row["mean"] == pytest.approx(0.6)
    assert row["std"] == pytest.approx(0.1 * 2**0.5)


def test_all_ways_are_measured_and_a_second_call_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_homework()
    source = train(dataset, TARGET.name, out=tmp_path / "source", config=small_config()).folder
    formulas = reduced_formulas(dataset.crystals)
    parts = split_test(formulas, set(sorted(set(formulas))[::2]))
    options = (dataset, parts, str(source), [20], [0], 1, tmp_path / "runs")
    rows = pd.DataFrame(measure(*options))
    assert len(rows) == len(WAYS) * len(RATES)
    assert rows[["validation", "test"]].gt(0).all(axis=None)
    assert len(rows["test"].unique()) == len(rows)
    for way in WAYS:
        train_config = make_config(str(source), way, 1e-3, 0, 1).train
        assert bool(train_config.start_from) == (way != "from scratch")
        assert train_config.freeze == ("convolutions" if "frozen" in way else "none")
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/metrics.json")}
    assert len(finished) == len(rows)
    pd.testing.assert_frame_equal(pd.DataFrame(measure(*options)), rows)
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    untuned = score_untuned(dataset, parts[1], str(source))
    assert untuned is not None
    assert untuned > 0
    fine_tuning_gain.draw(summarise(rows), untuned, tmp_path / "figure")
    assert (tmp_path / "figure.png").stat().st_size > 5000
