"""The page: whole in itself, escaped, and with its numbers, figures and tables beside it."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.test_evaluate import save_untrained
from xtalgraph.data import Dataset
from xtalgraph.data.files import EMBEDDED
from xtalgraph.errors import BadConfig
from xtalgraph.evaluation import evaluate, report_run
from xtalgraph.evaluation.run_report import HISTORY
from xtalgraph.evaluation.scores import SPLITS
from xtalgraph.report import Picture, Report, Section, Table, figures, write_report
from xtalgraph.report.page import CONFIG, describe_source, name_source


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag that opens also closes."""

    EMPTY = ("meta", "img")

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def make_report() -> Report:
    figure = figures.scores_over_folds({"cgcnn": [0.1, 0.2]}, metric="error", unit="eV")
    frame = pd.DataFrame({"model": ["<b>ours</b>", "mean"], "error": [0.04123456, np.nan]})
    section = Section(
        "Result <script>",
        ("One & only.",),
        ("Be careful.",),
        (Table("scores", frame, "Scores", first_stands_out=True),),
        (Picture("folds", figure, 'Folds of "cgcnn"'),),
        "xtalgraph train <DATA>",
    )
    return Report("A title & more", (section,), {"error": 0.04})


def test_a_page_needs_nothing_beside_it_and_runs_nothing(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path, make_report()))
    sources = [attributes.get("src") or "" for tag, attributes in page.tags if tag == "img"]
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,")
    assert not {"script", "link", "iframe", "b"} & {tag for tag, _ in page.tags}
    assert not re.search(r"https?://|url\(", (tmp_path / "report.html").read_text())
    for words in ("A title & more", "Result <script>", "<b>ours</b>", "0.04123", "–", "<DATA>"):
        assert words in page.text


def test_figures_tables_and_numbers_lie_beside_the_page(tmp_path: Path) -> None:
    write_report(tmp_path, make_report())
    for name in ("figures/folds.png", "figures/folds.svg", "tables/scores.csv", "report.json"):
        assert (tmp_path / name).stat().st_size > 0
    assert pd.read_csv(tmp_path / "tables/scores.csv")["error"][0] == 0.04123456
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["error"] == 0.04
    assert {"python", "xtalgraph", "torch"} <= set(numbers["versions"])


@pytest.mark.parametrize("name", ["folds", "a/b", ""])
def test_a_name_that_is_taken_or_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    report = make_report()
    more = Section("More", tables=(Table(name, pd.DataFrame({"a": [1]})),))
    with pytest.raises(BadConfig, match=f"the name '{name}' is taken, or no name for a file"):
        write_report(tmp_path, Report("x", (*report.sections, more)))


def test_the_page_of_a_run_of_numbers(dataset: Dataset, tmp_path: Path) -> None:
    split = save_untrained(tmp_path, dataset, ["contrast"], "regression")
    epochs = np.arange(1, 5)
    history = {"epoch": epochs, "train_loss": 1 / epochs, "validation_loss": 1.1 / epochs}
    history |= {"validation_mae contrast": 0.9 / epochs}
    pd.DataFrame(history).to_csv(tmp_path / "history.csv", index=False)
    (tmp_path / "config.toml").write_text('[model]\npooling = "mean"\n')
    page = Page(report_run(tmp_path, dataset, part="train", out=tmp_path / "page"))
    assert f"{len(split.train)} crystals of the train set" in page.text
    assert "in the training set." in page.text  # the note that these were seen
    assert 'pooling = "mean"' in page.text
    assert "--split file:" in page.text
    names = {path.stem for path in (tmp_path / "page" / "figures").glob("*.png")}
    expected = {"learning_curves"} | {
        f"{kind}_contrast" for kind in ("parity", "residuals", "elements", "systems")
    }
    assert names == expected  # all cells have two atoms, so sizes are not compared
    numbers = json.loads((tmp_path / "page" / "report.json").read_text())
    result = evaluate(tmp_path, dataset, part="train")
    assert numbers["metrics"]["contrast"] == result.metrics["contrast"]


def test_the_page_of_a_run_of_classes(dataset: Dataset, tmp_path: Path) -> None:
    save_untrained(tmp_path, dataset, ["kind"], "classification")
    page = Page(report_run(tmp_path, dataset))
    names = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    assert names == {"confusion", "roc", "precision_recall", "reliability"}
    assert "most_common" in page.text


def test_files_of_a_run_are_called_as_training_calls_them() -> None:
    from xtalgraph.training import run_folder

    assert (SPLITS, HISTORY, CONFIG) == (run_folder.SPLITS, run_folder.HISTORY, run_folder.CONFIG)


def test_a_real_run_is_scored_as_training_scored_it(dataset: Dataset, tmp_path: Path) -> None:
    from xtalgraph.training import apply_overrides, preset, train

    small = ["train.epochs=2", "model.atom_width=8", "model.hidden_width=8"]
    config = apply_overrides(preset("default"), small)
    run = train(dataset, "gap", out=tmp_path / "run", config=config)
    result = evaluate(run.folder, dataset)
    for name, value in run.metrics["test"]["gap"].items():
        if name not in ("unit", "n_missing"):
            assert result.metrics["gap"][name] == pytest.approx(value, rel=1e-5)
    written = pd.read_csv(run.folder / "test_predictions.csv")
    assert list(result.predictions) == list(written)
    page = report_run(run.folder, dataset)
    assert (page.parent / "figures" / "learning_curves.png").is_file()


def test_the_embedded_data_are_named_so_that_a_command_finds_them(dataset: Dataset) -> None:
    made = replace(dataset, name=EMBEDDED, source="made by a formula")
    assert (name_source(made), describe_source(made)) == ("mp-sample", "made by a formula")
    assert (name_source(dataset), describe_source(dataset)) == ("made up", "from made up")
