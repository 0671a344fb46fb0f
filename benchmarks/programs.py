"""The programs that are compared: which Python runs each, and how each predicts and learns.

No numpy here, nor in `side_by_side.py`: the peak memory of a process that is started counts what
the starting one held.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS, CLONE = "xtalgraph", "2018"
MODULES = {OURS: "own", CLONE: "cgcnn_2018", "cgcnn2": "cgcnn2", "PyG": "pyg"}
MODULES |= {"matgl": "matgl", "alignn": "alignn"}
ENVIRONMENT = {
    **os.environ,
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "ignore",
    "MPLBACKEND": "Agg",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",  # the clone reads the pickles that it ships
}


@dataclass(frozen=True)
class Program:
    """One program of the comparison."""

    name: str
    python: str
    clone: str = ""  # the folder of the code of 2018

    def server(self) -> list[str]:
        """The command that answers tasks."""
        command = [self.python, "-m", f"benchmarks.peers.{MODULES[self.name]}"]
        return [*command, self.clone] if self.clone else command

    def predict(self, model: str, folder: str, out: str) -> list[str] | None:
        """The command that predicts a folder of CIF files, or None if there is none."""
        if self.name == OURS:
            return [self.python, "-m", "xtalgraph.cli", "predict", model, folder, "--out", out]
        if self.name == CLONE:
            return [self.python, f"{self.clone}/predict.py", model, folder]
        if self.name == "cgcnn2":
            return [self.python, "-m", "cgcnn2.cli.cgcnn_pr", "-mp", model, "-as", folder]
        if self.name == "PyG":
            return None
        return [*self.server(), "predict", folder, out]

    def train(self, folder: str, epochs: int, out: str) -> list[str] | None:
        """The command that trains the network of 2018 on a folder, or None if there is none."""
        if self.name == OURS:
            command = [self.python, "-m", "xtalgraph.cli", "train", folder, "--target", "target"]
            command += ["--preset", "paper", "--epochs", str(epochs), "--out", out]
            return [*command, "--split", f"file:{folder}_split.csv"]
        if self.name == CLONE:
            command = [self.python, f"{self.clone}/main.py", folder, "--epochs", str(epochs)]
            return [*command, "--train-ratio", "0.6", "--val-ratio", "0.2", "--test-ratio", "0.2"]
        if self.name == "cgcnn2":
            command = [self.python, "-m", "cgcnn2.cli.cgcnn_tr", "-e", str(epochs)]
            return command + [
                text
                for flag, part in (("-trs", "train"), ("-vs", "validation"), ("-ts", "test"))
                for text in (flag, f"{folder}_{part}")
            ]
        return None


class Server:
    """A running program that does tasks when it is asked."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program, self.log = program, log
        with log.open("w") as text:
            self.process = subprocess.Popen(
                program.server(),
                cwd=ROOT,
                env=ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=text,
                text=True,
            )

    def ask(self, task: str, options: dict | None = None, *, only_value: bool = False) -> dict:
        """Give the answer to one task; the end of the program is an answer too."""
        request = {"task": task, "options": options or {}, "only_value": only_value}
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        return json.loads(answer) if answer else {"error": f"does not run: {last_line(self.log)}"}

    def stop(self) -> None:
        """End the program."""
        with suppress(BrokenPipeError):  # it ended by itself
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def run_whole(command: list[str], folder: Path) -> dict:
    """Run a process from start to end: seconds of the clock and of the processor, peak memory."""
    log = folder / "log.txt"
    begin = time.perf_counter()
    with log.open("w") as text:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=text, stderr=text)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return {"error": last_line(log), "log": log.read_text()}
    return {
        "seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.perf_counter() - begin,
        "peak_MB": usage.ru_maxrss / 1024,
        "log": log.read_text(),
    }


def last_line(log: Path) -> str:
    """The last words of a log that are not empty."""
    lines = [line.strip() for line in log.read_text().splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it says nothing"


def name_programs(clone: str | None, others: Iterable[str]) -> list[Program]:
    """Give the programs: ours and PyG under this Python, and those that the user names."""
    programs = [Program(OURS, sys.executable)]
    if clone:
        programs.append(Program(CLONE, sys.executable, str(Path(clone).resolve())))
    given = dict(other.split("=", 1) for other in others)
    unknown = set(given) - set(MODULES)
    if unknown:
        raise SystemExit(f"no adapter for {', '.join(unknown)}; there are {', '.join(MODULES)}")
    given.setdefault("PyG", sys.executable)
    # no Path.resolve() here: the python of an environment is a link, and must be called by it
    programs += [Program(name, os.path.abspath(python)) for name, python in given.items()]
    return programs
