"""The archive for Gradescope, made and run by otter-grader itself, where it is installed.

otter-grader brings half a gigabyte along, so it is no part of the development install: put it into
any environment with torch and name its command in `XTALGRAPH_OTTER`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import build
import pytest

from tests.course.planted import PLANTED
from tests.course.test_grading import FULL, SOLUTION

OTTER = os.environ.get("XTALGRAPH_OTTER") or shutil.which("otter")

pytestmark = pytest.mark.skipif(OTTER is None, reason="otter-grader is not installed")


def run_otter(arguments: list[str], folder: Path) -> None:
    path = f"{Path(str(OTTER)).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    command = [str(OTTER), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("otter")
    build.write(build.make_autograder(), folder)
    arguments = ["generate", "-t", "tests", "-o", "../autograder.zip", "grader"]
    run_otter(arguments, folder / "autograder")
    return folder / "autograder.zip"


def marks_by_otter(archive: Path, text: str, folder: Path) -> dict[str, int]:
    (folder / "model_hw.py").write_text(text, encoding="utf-8")
    run_otter(["run", "-a", str(archive), "-o", str(folder), "model_hw.py"], folder)
    tests = json.loads((folder / "results.json").read_text(encoding="utf-8"))["tests"]
    return {test["name"]: test["score"] for test in tests if test["name"] in FULL}


def test_otter_gives_the_solution_full_marks(archive: Path, tmp_path: Path) -> None:
    assert marks_by_otter(archive, SOLUTION, tmp_path) == FULL


@pytest.mark.parametrize(
    "planted",
    [planted for planted in PLANTED if planted.name in ("missing residual", "hard-coded answers")],
    ids=lambda planted: planted.name,
)
def test_otter_gives_the_same_partial_marks(planted, archive: Path, tmp_path: Path) -> None:
    marks = marks_by_otter(archive, SOLUTION.replace(planted.old, planted.new), tmp_path)
    assert marks == {name: full - planted.lost.get(name, 0) for name, full in FULL.items()}
