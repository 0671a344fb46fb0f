"""A study's folder: one process at a time, more trials later, none of another study."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.tiny import make_tiny, small_config
from xtalgraph.errors import BadConfig, FolderInUse
from xtalgraph.manifest import begin_or_resume, read_manifest
from xtalgraph.studies.comparison import compare
from xtalgraph.studies.crossval import cross_validate

TINY = make_tiny()
HOLDER = """
import sys, time
from xtalgraph.files import lock_folder
with lock_folder(sys.argv[1], "a comparison"):
    print("held", flush=True)
    time.sleep(600)
"""


def compare_pooling(folder: Path, *poolings: str, epochs: int = 1) -> object:
    config = small_config(f"train.epochs={epochs}")
    return compare(TINY, "energy", {"model.pooling": poolings}, out=folder, config=config)


def test_a_second_process_is_refused_and_one_that_was_killed_is_not_waited_for(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderInUse, match=rf"a comparison \(process {holder.pid}\)"):
            compare_pooling(tmp_path, "mean")
        assert not (tmp_path / "runs").exists()
        holder.kill()
    compare_pooling(tmp_path, "mean")
    assert (tmp_path / "runs" / "pooling-mean_seed-0" / "metrics.json").is_file()


def test_trials_are_added_and_another_study_is_refused(tmp_path: Path) -> None:
    compare_pooling(tmp_path, "mean")
    done = tmp_path / "runs" / "pooling-mean_seed-0" / "metrics.json"
    before = done.stat().st_mtime_ns
    compare_pooling(tmp_path, "max")
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    names = {"pooling-mean_seed-0", "pooling-max_seed-0", "baseline-mean", "baseline-median"}
    assert set(manifest["identity"]["trials"]) == {f"runs/{name}" for name in names}
    with pytest.raises(BadConfig, match=r"pooling-mean_seed-0\.train\.epochs: 1 then, 2 now"):
        compare_pooling(tmp_path, "mean", "sum", epochs=2)
    with pytest.raises(BadConfig, match="holds a comparison, not a cross-validation"):
        cross_validate(TINY, ["energy"], ["mean"], out=tmp_path)
    assert done.stat().st_mtime_ns == before
    assert not (tmp_path / "runs" / "pooling-sum_seed-0").exists()


def test_a_study_of_the_first_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mean").mkdir()
    (tmp_path / "mean" / "fold_0.json").write_text("{}")
    with pytest.raises(BadConfig, match=r"holds a cross-validation of xtalgraph 0\.1"):
        cross_validate(TINY, ["energy"], ["mean"], out=tmp_path)


def test_a_fold_that_fails_is_told_and_the_others_are_done(tmp_path: Path) -> None:
    config = small_config("train.epochs=1", "model.element_vectors=no/such/file.json")
    result = cross_validate(
        TINY, "energy", ["mean", "cgcnn"], n_folds=2, out=tmp_path, config=config
    )
    assert result.models == ["mean"]
    assert [line.partition(" ")[0] for line in result.failures] == ["cgcnn/fold_0", "cgcnn/fold_1"]
    assert "cgcnn/fold_0 failed: " in (tmp_path / "report.html").read_text()
    with pytest.raises(BadConfig, match=r"all trials failed\. The first: cgcnn/fold_0 failed: "):
        cross_validate(TINY, "energy", ["cgcnn"], n_folds=2, out=tmp_path / "one", config=config)


def test_sections_of_a_manifest_grow_and_what_is_there_is_compared(tmp_path: Path) -> None:
    def begin(**trials: int) -> bool:
        identity = {"data": 1, "trials": trials}
        return begin_or_resume(tmp_path, "work", identity, may_grow=("trials",))

    assert not begin(a=1)
    assert begin(b=2)
    assert begin(a=1, b=2)
    with pytest.raises(BadConfig, match=r"trials\.b: 2 then, 3 now"):
        begin(b=3, c=4)
    assert read_manifest(tmp_path) == {
        "work": "work",
        "identity": {"data": 1, "trials": {"a": 1, "b": 2}},
    }


SCRIPT = """
from pathlib import Path
import sys
from tests.training.tiny import make_tiny, small_config
from xtalgraph.studies import compare
config = small_config("train.epochs=4000")
vary = {"model.pooling": ["mean", "max"]}
compare(make_tiny(), "energy", vary, out=sys.argv[1], config=config, jobs=2)
"""


def test_ctrl_c_ends_all_processes_without_a_trace(tmp_path: Path) -> None:
    """In a script without a guard of `__main__`, which processes that spawn would need."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join([str(root), *sys.path])
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "out")],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths},
        # a shell's background job ignores the signal, and so would what it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    runs = tmp_path / "out" / "runs"
    histories = [runs / f"pooling-{name}_seed-0" / "history.csv" for name in ("mean", "max")]
    for _ in range(1200):
        if all(history.is_file() for history in histories) or process.poll() is not None:
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1, errors
    for _ in range(100):
        if not is_alive(process.pid):
            break
        time.sleep(0.1)
    assert not is_alive(process.pid)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
