"""The recipe that draws calibration crystals anew, on the tiny ensemble."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipes.coverage import measure

from tests.training.tiny import make_tiny
from xtalgraph.data import write_parquet


def test_the_coverage_over_draws(packed: Path, runs: list[Path], tmp_path: Path) -> None:
    data = write_parquet(make_tiny(200), tmp_path / "tiny.parquet")
    found = measure(packed, runs[0], str(data), n_draws=20)
    for name in ("calibrated", "one width for all"):
        # 30 crystals give the quantile: the coverage is 28 / 31 on average, or a little more
        assert found[name]["coverage"] == pytest.approx(0.9, abs=0.05)
        assert found[name]["mean_half_width"] > 0
    assert 0 <= found["test crystals beyond the distance of the edge"] < 0.3
