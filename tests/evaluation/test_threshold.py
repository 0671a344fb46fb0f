"""The threshold of two classes: chosen on validation alone, judged elsewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from tests.evaluation.test_evaluate import save_untrained
from xtalgraph.data import Dataset
from xtalgraph.errors import UnknownName
from xtalgraph.evaluation import evaluate, report_run
from xtalgraph.evaluation.labels import choose_task, read_labels
from xtalgraph.evaluation.scores import choose_threshold
from xtalgraph.prediction import load_model


def as_columns(score: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - score, score])


def test_scores_are_scikit_learns_at_the_best_threshold_of_validation() -> None:
    random = np.random.default_rng(1)
    truth = (random.random(200) < 0.25).astype(np.int64)
    score = np.clip(0.3 * truth + random.random(200) * 0.6, 0, 1)
    seen, judged = slice(0, 80), slice(80, 200)
    found = choose_threshold(
        truth[seen], as_columns(score)[seen], truth[judged], as_columns(score)[judged]
    )
    tried = [f1_score(truth[seen], score[seen] >= value) for value in score[seen]]
    assert f1_score(truth[seen], score[seen] >= found.value) == pytest.approx(max(tried))
    said = (score[judged] >= found.value).astype(np.int64)
    assert found.accuracy == pytest.approx(accuracy_score(truth[judged], said))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth[judged], said))
    assert found.f1 == pytest.approx(f1_score(truth[judged], said))
    youden = choose_threshold(
        truth[seen], as_columns(score)[seen], truth[judged], as_columns(score)[judged], "youden"
    )
    assert youden.criterion == "youden"
    one_class = np.zeros(80, dtype=np.int64)
    nothing = choose_threshold(one_class, as_columns(score)[seen], truth, as_columns(score))
    assert nothing is None


def test_evaluate_chooses_it_on_validation_and_the_page_says_so(
    dataset: Dataset, tmp_path: Path
) -> None:
    split = save_untrained(tmp_path, dataset, ["kind"], "classification")
    result = evaluate(tmp_path, dataset)
    task = choose_task(dataset, ["kind"], "classification")
    predictor = load_model(tmp_path)

    def look(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels = read_labels(dataset, task, part)
        rows = part[labels >= 0]
        return labels[labels >= 0], predictor.predict(dataset.crystals.take(rows)).values

    assert result.threshold == choose_threshold(*look(split.validation), *look(split.test))
    assert result.to_json()["threshold"]["value"] == result.threshold.value
    page = report_run(tmp_path, dataset, out=tmp_path / "page").read_text()
    assert "best threshold for f1 on the validation set" in page
    assert evaluate(tmp_path, dataset, part="validation").threshold is None
    with pytest.raises(UnknownName, match="threshold criterion 'f2'"):
        evaluate(tmp_path, dataset, criterion="f2")


def test_labels_of_the_test_part_do_not_move_it(dataset: Dataset, tmp_path: Path) -> None:
    split = save_untrained(tmp_path, dataset, ["kind"], "classification")
    columns = dataset.columns.copy()
    other = {"bcc": "chain", "chain": "bcc"}
    columns.loc[split.test, "kind"] = columns.loc[split.test, "kind"].map(other)
    moved = evaluate(tmp_path, replace(dataset, columns=columns))
    assert moved.threshold.value == evaluate(tmp_path, dataset).threshold.value
    columns = dataset.columns.copy()
    columns.loc[split.validation, "kind"] = columns.loc[split.validation, "kind"].map(other)
    moved = evaluate(tmp_path, replace(dataset, columns=columns))
    assert moved.threshold.value != evaluate(tmp_path, dataset).threshold.value
