"""The solution's notebook, run from top to bottom: shortened, on the embedded and on real data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import build

RUNNER = Path(__file__).with_name("run_notebook.py")


def run_notebook(folder: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XTALGRAPH_COURSE_SHORT": "1", "MPLBACKEND": "Agg"}
    command = [sys.executable, "-W", "ignore", str(RUNNER), build.NOTEBOOK, *settings]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def unpack(audience: str, folder: Path) -> Path:
    build.write(build.make_texts(audience), folder)
    return folder / audience


def test_the_solution_runs_from_top_to_bottom(tmp_path: Path) -> None:
    folder = unpack("solution", tmp_path)
    done = run_notebook(folder)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "✗" not in done.stdout
    assert done.stdout.count("✓") == 2 * 14  # each check once by itself, and all of them again
    assert (folder / "leaderboard.csv").is_file()


def test_it_runs_on_a_folder_of_cifs_as_well(tmp_path: Path, shared_data: Path) -> None:
    folder = unpack("solution", tmp_path)
    data = shared_data / "cs182_perovskites"
    gaps = data / "band_gap.csv"
    done = run_notebook(folder, f"DATA={str(data)!r}", "PER_CELL=True", f"GAPS={str(gaps)!r}")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "energy per atom, eV/atom, from" in done.stdout
    assert "band gap (eV)" in done.stdout


def test_with_gaps_it_stops_at_the_first_of_them_and_says_so(tmp_path: Path) -> None:
    done = run_notebook(unpack("student", tmp_path))
    assert done.returncode == 1
    assert "NotImplementedError" in done.stderr
    assert "YOUR CODE HERE" in done.stderr
