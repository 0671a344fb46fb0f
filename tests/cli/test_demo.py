"""`xtalgraph demo` on a part of the embedded data, for one epoch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import ENERGY, Call
from xtalgraph.data import Dataset


def test_the_demo_goes_from_data_to_predictions(
    call: Call, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = call("demo", "--epochs", 1)
    assert outcome.status == 0
    assert "60 crystals" in outcome.out
    assert "mean_absolute_error" in outcome.out
    assert [word in outcome.out for word in ("SrTiO3", "CsPbI3", "KCoF3")] == [True] * 3
    assert f"{ENERGY} [eV/atom]" in outcome.out
    assert "composition_forest" in outcome.out
    assert "(DFT)" in outcome.err
    run = tmp_path / "runs" / "demo"
    assert (run / "report.html").exists()
    assert (run / "figures" / f"parity_{ENERGY}.png").exists()
    assert len(list((run / "new_crystals").glob("*.cif"))) == 3
    (run / "old").touch()
    assert call("demo", "--epochs", 1).status == 0  # an earlier demo makes room
    assert not (run / "old").exists()


def test_no_folder_of_the_user_is_replaced(
    call: Call, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    for out in ([], ["--out", trained], ["--out", tmp_path]):
        outcome = call("demo", *out)
        assert outcome.status == 1
        assert "is there already. Give another --out, or remove it" in outcome.err
    assert (trained / "model.json").exists()
