"""`xtalgraph explain`: inputs, the folder, bad files, wrong use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import ENERGY, SMALL, Call
from xtalgraph.cli.app import run
from xtalgraph.structures import Crystal, write_crystal

COLUMN = f"contribution to {ENERGY} [eV/atom]"


@pytest.fixture(scope="module")
def linear(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a model with a linear head."""
    out = tmp_path_factory.mktemp("runs") / "linear"
    head = ["--set", "model.n_hidden=0"]
    assert run(["train", str(tiny), "--target", ENERGY, "--out", str(out), *SMALL, *head]) == 0
    return out


@pytest.mark.parametrize("model", ["linear", "trained"])
def test_contributions_agree_with_predict(
    model: str, call: Call, tiny: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(model)
    out, table = tmp_path / "out", tmp_path / "predicted.csv"
    files = sorted(tiny.glob("*.cif"))[:6]
    outcome = call("explain", path, *files, "--out", out, "--pictures", 1)
    assert outcome.status == 0
    assert ("exact" in outcome.err) == (model == "linear")
    assert call("predict", path, *files, "--out", table).status == 0
    predicted = pd.read_csv(table).set_index("id")[f"{ENERGY} [eV/atom]"]
    sites = pd.read_csv(out / "contributions.csv")
    means = sites.groupby("id")[COLUMN].mean()
    np.testing.assert_allclose(means[predicted.index], predicted, rtol=1e-5, atol=1e-5)
    assert (out / "report.html").is_file()
    assert len(list((out / "figures").glob("0*.png"))) == 1


def test_few_sites_are_printed_one_by_one(
    call: Call, linear: Path, tiny: Path, tmp_path: Path
) -> None:
    file = sorted(tiny.glob("*.cif"))[0]
    outcome = call("explain", linear, file, "--out", tmp_path / "out")
    assert outcome.status == 0
    lines = outcome.out.strip().split("\n")
    assert COLUMN in lines[0]
    assert len(lines) == 1 + len(pd.read_csv(tmp_path / "out" / "contributions.csv"))


def test_bad_files_among_good_ones_are_listed(
    call: Call, linear: Path, tiny: Path, tmp_path: Path
) -> None:
    good = sorted(tiny.glob("*.cif"))[0]
    broken = tmp_path / "broken.cif"
    broken.write_text("hello")
    lonely = tmp_path / "lonely.cif"
    write_crystal(Crystal(50 * np.eye(3), [[0, 0, 0]], [18], "lonely"), lonely)
    out = tmp_path / "out"
    outcome = call("explain", linear, good, broken, lonely, "--out", out)
    assert outcome.status == 1
    rejected = pd.read_csv(tmp_path / "out.rejected.csv")
    assert rejected["id"].tolist() == ["broken", "lonely"]
    assert call("explain", linear, good, lonely, "--out", out, "--skip-bad").status == 0


def test_wrong_use_is_said(call: Call, linear: Path, tiny: Path, tmp_path: Path) -> None:
    assert call("explain", linear, "--out", tmp_path).status == 2
    assert call("explain", linear, tiny).status == 2
    outcome = call("explain", linear, tiny, "--out", tmp_path / "out", "--target", "band_gap")
    assert outcome.status == 1
    assert "unknown target 'band_gap'" in outcome.err
