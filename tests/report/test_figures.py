"""Every figure drawn once with plausible numbers, and read as a reader would: nothing cut off."""

import io
import pickle
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from xtalgraph import metrics
from xtalgraph.errors import BadDataset
from xtalgraph.report import figures
from xtalgraph.report.figures import style
from xtalgraph.report.figures.parity import LARGEST_NUMBER, count_near, table_position
from xtalgraph.report.figures.style import new_figure
from xtalgraph.structures.crystal import Crystal, CrystalStore

SYSTEMS = ["cubic", "hexagonal", "monoclinic", "orthorhombic", "tetragonal", "triclinic"]

SETTINGS = {  # and whether their axis is logarithmic
    "train.learning_rate": True,
    "train.weight_decay": True,
    "graph.n_neighbours": False,
    "model.dropout": False,
    "model.convolution": False,
}


def make_history(factor: float = 1.0) -> pd.DataFrame:
    epochs = np.arange(60)
    return pd.DataFrame(
        {
            "epoch": epochs,
            "train_loss": factor * (0.7 * np.exp(-epochs / 15) + 0.05),
            "validation_loss": factor * (0.6 * np.exp(-epochs / 18) + 0.09),
            "validation_mae energy_above_hull [eV/atom]": factor
            * (0.5 * np.exp(-epochs / 18) + 0.05),
        }
    )


def make_pairs(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(n_rows)
    true = random.normal(-1.5, 1.0, n_rows)
    return true, true + random.laplace(0, 0.1, n_rows)


def make_crystals(n_crystals: int) -> tuple[CrystalStore, np.ndarray]:
    random = np.random.default_rng(5)
    numbers = [random.choice([3, 8, 14, 26, 38, 57, 92], size) for size in range(1, n_crystals + 1)]
    crystals = [Crystal(9 * np.eye(3), random.random((len(n), 3)), n) for n in numbers]
    return CrystalStore.from_crystals(crystals), random.laplace(0, 0.1, n_crystals)


def make_classes() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    random = np.random.default_rng(6)
    true = (random.random(300) < 0.3).astype(np.int64)
    scores = {
        name: 1 / (1 + np.exp(-(true * sharp - sharp / 2 + random.normal(0, 1, 300))))
        for name, sharp in (("cgcnn", 3.0), ("distance_mlp", 1.0))
    }
    return true, scores


def make_runs() -> pd.DataFrame:
    rows = [
        (model, n, seed, 3 * n**-power * (1 + 0.05 * seed))
        for model, power in (("shared", 0.38), ("gated", 0.43))
        for n in (100, 1000, 10_000)
        for seed in range(2)
    ]
    return pd.DataFrame(rows, columns=["model", "n_train", "seed", "mean_absolute_error"])


def make_trials(n_trials: int = 24) -> pd.DataFrame:
    random = np.random.default_rng(7)
    rows = {
        "trial": np.arange(n_trials),
        "state": random.choice(["complete", "pruned", "fail"], n_trials, p=[0.6, 0.3, 0.1]),
        "score": random.gamma(3.0, 0.05, n_trials),
        "train.learning_rate": 10 ** random.uniform(-3, -2, n_trials),
        "train.weight_decay": 10 ** random.uniform(-5, -1, n_trials),
        "graph.n_neighbours": random.choice([8, 12, 16], n_trials),
        "model.dropout": random.uniform(0, 0.3, n_trials),
        "model.convolution": random.choice(["shared", "gated"], n_trials),
    }
    trials = pd.DataFrame(rows)
    trials.loc[0, ["state", "score"]] = ["complete", 4.0]  # far off: the others need the room
    trials.loc[trials["state"] == "fail", "score"] = np.nan
    return trials


def draw_all() -> dict[str, Figure]:
    unit = "eV/atom"
    store, errors = make_crystals(60)
    true, scores = make_classes()
    levels = np.linspace(0.05, 0.95, 19)
    systems = [SYSTEMS[row % 6] for row in range(60)]
    return {
        "learning": figures.learning_curves(make_history(), title="energy above hull"),
        "losses": figures.learning_curves(make_history().iloc[:, :3]),
        "compared": figures.compare_losses(
            {"none": make_history(2.0), "gated": make_history()}, title="convolution"
        ),
        "parity of few": figures.parity_plot(
            *make_pairs(300), quantity="formation_energy_per_atom", unit=unit
        ),
        "parity of three": figures.parity_plot(*make_pairs(3), quantity="energy", unit=unit),
        "parity of many": figures.parity_plot(*make_pairs(3000), quantity="energy", unit=unit),
        "residuals": figures.residual_histogram(*make_pairs(3000), quantity="energy", unit=unit),
        "elements": figures.error_by_element(store, errors, unit=unit),
        "systems": figures.error_by_group(systems, errors, unit=unit),
        "one system": figures.error_by_group(["cubic"] * 60, errors, unit=unit),
        "sizes": figures.error_by_size(store.n_atoms, errors, unit=unit),
        "folds": figures.scores_over_folds(
            {"most_common": [0.41, 0.42], "cgcnn": [0.88, 0.89], "mean": [0.3]}, metric="accuracy"
        ),
        "seeds": figures.scores_over_folds(
            {"convolution gated": [0.04, 0.05], "convolution shared": [0.06]},
            metric="validation mean_absolute_error",
            unit=unit,
            points="seeds",
        ),
        "trials": figures.scores_of_trials(make_trials(), score="validation error", unit=unit),
        "settings": figures.scores_over_settings(
            make_trials(), SETTINGS, score="validation mean absolute error", unit=unit
        ),
        "one setting": figures.scores_over_settings(make_trials(), {"model.dropout": False}),
        "sizes of training": figures.error_against_size(
            make_runs(), unit=unit, band=figures.DFT_AGAINST_EXPERIMENT
        ),
        "roc": figures.roc_figure(true, scores, positive="a metal"),
        "precision": figures.precision_recall_figure(true, scores, positive="a metal"),
        "confusion": figures.confusion_figure(
            true, (scores["cgcnn"] > 0.5).astype(np.int64), ["other oxide", "perovskite"]
        ),
        "many classes": figures.confusion_figure(
            np.arange(300) % 30, np.arange(300) % 29, [str(number) for number in range(30)]
        ),
        "reliability": figures.reliability_figure(
            metrics.calibration_curve(true, scores["cgcnn"]), positive="a metal"
        ),
        "coverage": figures.coverage_figure(levels, {"ensemble": levels**2, "conformal": levels}),
    }


def find_cut_text(figure: Figure) -> list[str]:
    """Give the texts that stand out over the edge of the figure."""
    figure.draw_without_rendering()
    page = figure.bbox
    cut = []
    for text in figure.findobj(Text):
        if not text.get_visible() or not text.get_text().strip() or text.get_figure() is None:
            continue
        box = text.get_window_extent()
        inside = page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1
        if not (inside and page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1):
            cut.append(text.get_text())
    return cut


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    return draw_all()


def test_no_text_is_cut_off(drawn: dict[str, Figure]) -> None:
    cut = {name: find_cut_text(figure) for name, figure in drawn.items()}
    # Ticks beyond the limits of an axis exist as objects and are not drawn.
    ticks = {"−", *"0123456789.,"}
    cut = {name: [text for text in texts if not set(text) <= ticks] for name, texts in cut.items()}
    assert {name: texts for name, texts in cut.items() if texts} == {}


def test_a_cut_text_is_noticed() -> None:
    figure, axes = new_figure(2.0, 2.0)
    words = axes.text(0.9, 0.5, "these words leave the page", transform=axes.transAxes)
    words.set_in_layout(False)
    assert find_cut_text(figure) == ["these words leave the page"]


def test_every_axis_says_what_it_is_and_in_which_unit(drawn: dict[str, Figure]) -> None:
    assert drawn["parity of few"].axes[0].get_ylabel().endswith("(eV/atom)")
    assert "(eV/atom)" in drawn["systems"].axes[0].get_xlabel()
    for name, figure in drawn.items():
        for axes in figure.axes:
            if axes.axison:
                assert axes.get_xlabel() or axes.get_ylabel() or name == "reliability", name


def test_points_crowded_together_are_drawn_as_density(drawn: dict[str, Figure]) -> None:
    assert [axes.get_ylabel() for axes in drawn["parity of few"].axes[1:]] == ["crystals nearby"]
    assert [axes.get_ylabel() for axes in drawn["parity of many"].axes[1:]] == [
        "crystals per hexagon"
    ]
    assert len(drawn["parity of three"].axes) == 1


def test_points_nearby_are_counted_as_a_tree_counts_them() -> None:
    from sklearn.neighbors import KDTree

    generator = np.random.default_rng(0)
    true = generator.normal(size=300).round(1)  # rounded, so that many lie on one another
    predicted = (true + 0.2 * generator.normal(size=300)).round(1)
    tree = KDTree(np.column_stack([true, predicted]), metric="chebyshev")
    limits = (-4.1, 4.1)  # no difference of rounded numbers is the reach of 0.164

    def count(reach: float) -> list[int]:
        points = np.column_stack([true, predicted])
        return tree.query_radius(points, reach, count_only=True).tolist()

    found = count_near(true, predicted, limits).tolist()
    assert found == count(0.164)
    assert found != count(0.264)
    assert count_near(np.zeros(3), np.zeros(3), (-1.0, 1.0)).tolist() == [3, 3, 3]


def test_saving_writes_both_kinds_and_the_same_bytes_twice(tmp_path, drawn) -> None:
    written = figures.save_figure(drawn["folds"], tmp_path / "deep" / "alpha0.5")
    assert [path.name for path in written] == ["alpha0.5.png", "alpha0.5.svg"]
    assert written[0].read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in written[1].read_bytes()
    first, second = (
        figures.save_figure(figures.learning_curves(make_history()), tmp_path / name)
        for name in ("first", "second")
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def save_with_matplotlib(figure: Figure, kind: str, dots: int) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(style.read_settings()):
        figure.savefig(buffer, format=kind, dpi=dots)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["folds", "parity of few", "parity of many", "elements"])
def test_a_saved_figure_is_what_matplotlib_saves(tmp_path, drawn, name: str) -> None:
    def read(png: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def list_tags(svg: str) -> list[str]:
        return re.findall(r"<[a-z]+", svg.split("</metadata>")[1])

    # a layout begins with the one before it, so each is made of a copy
    figure, same, larger, vectors = (pickle.loads(pickle.dumps(drawn[name])) for _ in range(4))
    before = figure.dpi, figure.canvas, figure.get_layout_engine()
    png, svg = figures.save_figure(figure, tmp_path / "saved")
    assert before == (figure.dpi, figure.canvas, figure.get_layout_engine())
    assert np.array_equal(read(png.read_bytes()), read(save_with_matplotlib(same, "png", 200)))
    other = read(save_with_matplotlib(larger, "png", 201))
    assert not np.array_equal(read(png.read_bytes()), other)
    # the layout was rounded to other dots, so the numbers are not the same to the last digit
    expected = save_with_matplotlib(vectors, "svg", 200).decode()
    assert list_tags(svg.read_text()) == list_tags(expected)


def test_the_users_own_settings_stay_as_they_were() -> None:
    before = dict(matplotlib.rcParams)
    figures.learning_curves(make_history())
    assert dict(matplotlib.rcParams) == before


def test_drawing_needs_no_pyplot_and_importing_no_matplotlib() -> None:
    code = (
        "import sys; from xtalgraph.report import figures; import numpy as np;"
        "assert 'matplotlib' not in sys.modules;"
        "figures.scores_over_folds({'a': [0.1, 0.2]}, metric='accuracy');"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_periodic_table_has_a_place_for_each_element() -> None:
    places = {table_position(number) for number in range(1, LARGEST_NUMBER + 1)}
    assert len(places) == LARGEST_NUMBER
    assert all(0 <= column < 18 for _, column in places)
    expected = {2: (0, 17), 5: (1, 12), 21: (3, 2), 36: (3, 17), 56: (5, 1), 80: (5, 11)}
    assert {number: table_position(number) for number in expected} == expected


def test_error_of_elements_counts_a_crystal_once_for_each_element() -> None:
    crystals = [
        Crystal(9 * np.eye(3), [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]], [8, 8, 26]),
        Crystal(9 * np.eye(3), [[0, 0, 0]], [8]),
        Crystal(9 * np.eye(3), [[0, 0, 0]], [3]),
    ]
    store = CrystalStore.from_crystals(crystals)
    means, counts = figures.error_of_elements(store, np.array([-0.3, 0.1, np.nan]))
    assert counts[[3, 8, 26]].tolist() == [0, 2, 1]
    np.testing.assert_allclose(means[[3, 8, 26]], [np.nan, 0.2, 0.3])


def test_what_cannot_be_drawn_is_refused_with_a_reason() -> None:
    store, errors = make_crystals(3)
    with pytest.raises(BadDataset, match="no element is in 9 labelled crystals"):
        figures.error_by_element(store, errors, min_crystals=9)
    with pytest.raises(BadDataset, match="error by crystal system: no crystal has a label"):
        figures.error_by_group(["cubic"], np.array([np.nan]))
    with pytest.raises(BadDataset, match="a model has no score"):
        figures.scores_over_folds({"cgcnn": []}, metric="accuracy")
    with pytest.raises(BadDataset, match=r"missing: train_loss\. Give the history.csv"):
        figures.learning_curves(make_history().drop(columns="train_loss"))


def test_one_bad_trial_does_not_take_the_room_of_the_others(drawn: dict[str, Figure]) -> None:
    trials = make_trials()
    top = drawn["trials"].axes[0].get_ylim()[1]
    median = trials.loc[trials["state"] == "complete", "score"].median()
    assert median < top < 4.0
    with pytest.raises(BadDataset, match="scores of trials: none is complete"):
        figures.scores_of_trials(trials[trials["state"] == "pruned"])
