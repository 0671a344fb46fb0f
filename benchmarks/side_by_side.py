"""One table: this program and its peers on the same crystals, in turn, in one run.

    python -m benchmarks.side_by_side --data ../shared/data --reference CLONE_OF_2018_CODE \
        --peer cgcnn2=PYTHON --peer matgl=PYTHON --peer alignn=PYTHON

PYTHON is the python of an environment that has the program. Parts: (a) CIF files to graphs,
(b) a folder to the first batch, (c) a step of learning, (d) a folder of CIF files to a CSV as a
whole process, (f) a folder to a trained model as a whole process; (e), peak memory, stands with
each. `--parts ad` measures these again and keeps the rest of the table. Processor seconds of one
thread, medians of `--rounds`; whole processes that take over a minute are run once. Results go to
`benchmarks/results/side_by_side.json` and `.md`, those of `--parts c --device cuda` to
`side_by_side_cuda`. A part of which nothing could be measured leaves its table as it is.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.programs import (
    CLONE,
    ENVIRONMENT,
    OURS,
    ROOT,
    Program,
    Server,
    name_programs,
    run_whole,
)
from benchmarks.side_by_side_table import write_table
from benchmarks.timing import RESULTS, describe_run

LONG = 60  # seconds; a whole process beyond this is run once
SLOW = ("matgl", "alignn")  # predict crystals one by one: not asked for the largest folder
MODEL = "pre-trained/formation-energy-per-atom.pth.tar"


def measure_in_turn(
    servers: list[Server], tasks: dict[str, str], options: dict, rounds: int
) -> list[dict]:
    """One row a way: the median of each program's own tasks (way → task), asked in turn."""
    times: dict[tuple[str, str], list[float]] = {}
    rows: dict[tuple[str, str], dict] = {}
    for turn in range(rounds):
        for server in servers:
            for way, task in tasks.items():
                key = server.program.name, way
                if turn and key not in times:
                    continue
                answer = server.ask(task, options)
                if "absent" in answer:
                    continue
                rows[key] = {"program": key[0], "way": way}
                if "error" in answer:
                    rows[key]["error"] = answer["error"]
                    times.pop(key, None)
                    continue
                times.setdefault(key, []).append(answer["seconds"])
    for key, values in times.items():
        rows[key] |= {"seconds": statistics.median(values), "rounds": len(values)}
    return list(rows.values())


def measure_graphs(servers: list[Server], data: Path, rounds: int) -> list[dict]:
    """Part a: CIF files, read and made graphs; ours also from texts, without the disk."""
    rows = []
    for crystals, name in (("Castelli, 5 atoms", "castelli_100"), ("homework", "homework_100")):
        options = {"folder": str(data / name)}
        ways = {"": "graphs", "texts in memory": "graphs_of_texts"}
        found = measure_in_turn(servers, ways, options, rounds)
        rows += [{"crystals": crystals, "n": 100, **row} for row in found]
    return rows


def measure_first_batch(servers: list[Server], data: Path, rounds: int) -> list[dict]:
    """Part b: a folder to the first batch of 256."""
    options = {"folder": str(data / "castelli_670"), "batch_size": 256}
    found = measure_in_turn(servers, {"": "first_batch"}, options, rounds)
    return [{"crystals": "670 Castelli", "n": 670, **row} for row in found]


def measure_steps(servers: list[Server], data: Path, rounds: int, device: str) -> list[dict]:
    """Part c: a step of learning, with the losses along 20 steps beside it."""
    ways = {
        "network of 2018": "step",
        "without normalisation": "plain_step",
        "without normalisation, merged": "merged_step",
        "its own network": "other_step",
    }
    rows = []
    for crystals, name, n in (("5 atoms", "batch_5", 256), ("25 to 35 atoms", "batch_30", 64)):
        options = {
            "folder": str(data / name),
            "batch": str(data / f"{name}.npz"),
            "weights": str(data / "weights.pt"),
            "device": device,
        }
        n_atoms = count_atoms(data / name)
        form = servers[0].ask("form", options, only_value=True).get("value")
        found = measure_in_turn(servers, ways, options, rounds)
        ours = {
            way: servers[0].ask(task.replace("step", "losses"), options, only_value=True)
            for way, task in ways.items()
        }
        ours["without normalisation, merged"] = ours["without normalisation"]  # the same numbers
        for row in found:
            is_base = row["program"] == OURS and row["way"] != "without normalisation, merged"
            if "error" not in row and row["way"] != "its own network" and not is_base:
                server = next(s for s in servers if s.program.name == row["program"])
                task = ways[row["way"]].replace("step", "losses")
                answer = server.ask(task, options, only_value=True)
                row["losses_differ"] = compare_losses(answer, ours[row["way"]])
            if row["program"] == OURS and form:
                row["form"] = form
            rows.append({"crystals": crystals, "n": n, "n_atoms": n_atoms, **row})
    return rows


def compare_losses(found: dict, expected: dict) -> float:
    """The largest relative difference along the steps."""
    pairs = zip(found["value"], expected["value"], strict=True)
    return max(abs(one - other) / abs(other) for one, other in pairs)


def count_atoms(folder: Path) -> int:
    """Atoms of CIF files in P1 as we write them: six lines of loop head before them."""
    total = 0
    for path in folder.glob("*.cif"):
        total += path.read_text().split("_atom_site_occupancy")[1].strip().count("\n") + 1
    return total


def measure_prediction(
    programs: list[Program], data: Path, sizes: list[int], rounds: int, work: Path
) -> list[dict]:
    """Part d: a folder of CIF files to a table, start-up and all.

    The model is one network of 2018, for our program written in its own format before.
    """
    clone = next((program.clone for program in programs if program.name == CLONE), None)
    if clone is None:
        return [{"program": CLONE, "error": "no clone was given, and it brings the model"}]
    own_format = str(work / "converted")
    convert = ["-m", "xtalgraph.cli", "convert", f"{clone}/{MODEL}", "--out", own_format]
    subprocess.run([programs[0].python, *convert], check=True, capture_output=True)
    rows = []
    for size in sizes:
        commands = {}
        for program in programs:
            if program.name in SLOW and size > 1000:
                continue
            out = str(work / f"{program.name}.csv")
            model = own_format if program.name == OURS else f"{clone}/{MODEL}"
            command = program.predict(model, str(data / f"castelli_{size}"), out)
            if command:
                commands[program.name] = command
        found = alternate_whole(commands, rounds, work)
        rows += [{"crystals": f"{size:,} Castelli", "n": size, **row} for row in found]
    return rows


def measure_training(
    programs: list[Program], data: Path, learned: int, epochs: int, rounds: int, work: Path
) -> list[dict]:
    """Part f: a folder to a trained model at equal epochs, and ours to the error of 2018."""
    folder = str(data / f"castelli_{learned}")
    commands = {
        program.name: program.train(folder, epochs, str(work / "run_TURN")) for program in programs
    }
    commands = {name: command for name, command in commands.items() if command}
    rows = alternate_whole(commands, rounds, work)
    for row in rows:
        row |= {"way": f"{epochs} epochs", "n": learned, "crystals": f"{learned:,} Castelli"}
    aim = next((row.get("error_reached") for row in rows if row["program"] == CLONE), None)
    if aim is not None:
        rows.append(reach_error(programs[0], folder, aim, learned, work))
    return rows


def reach_error(program: Program, folder: str, aim: float, learned: int, work: Path) -> dict:
    """Train ours with its own recipe, longer each time, until it is as good."""
    row = {"program": OURS, "way": f"to a validation error of {aim:.3f}", "n": learned}
    row["crystals"] = f"{learned:,} Castelli"
    for epochs in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30):
        command = program.train(folder, epochs, str(work / f"run_to_{epochs}"))
        command[command.index("paper")] = "default"
        result = run_whole(command, work)
        if "error" in result:
            return {**row, "error": result["error"]}
        reached = read_error(OURS, result["log"], command)
        if reached <= aim:
            row |= {key: value for key, value in result.items() if key != "log"}
            return {**row, "rounds": 1, "error_reached": reached, "epochs": epochs}
    return {**row, "error": "not reached in 30 epochs"}


def alternate_whole(commands: dict[str, list[str]], rounds: int, work: Path) -> list[dict]:
    """Run whole processes in turn; one row a program."""
    results: dict[str, list[dict]] = {}
    for turn in range(rounds):
        for name, command in commands.items():
            before = results.get(name, [])
            if turn and ("error" in before[-1] or before[-1]["seconds"] > LONG):
                continue
            place = work / f"{name}_{turn}"
            place.mkdir(exist_ok=True)
            here = [text.replace("TURN", str(turn)) for text in command]
            result = run_whole(here, place)
            result["command"] = here
            results.setdefault(name, []).append(result)
            shown = {key: value for key, value in result.items() if key not in ("log", "command")}
            print(name, shown, file=sys.stderr, flush=True)
    return [summarise(name, found) for name, found in results.items()]


def summarise(name: str, found: list[dict]) -> dict:
    """Give the medians of a program's runs."""
    last = found[-1]
    if "error" in last:
        return {"program": name, "error": last["error"]}
    row = {"program": name, "rounds": len(found)}
    for key in ("seconds", "wall_seconds", "peak_MB"):
        row[key] = statistics.median(result[key] for result in found)
    reached = read_error(name, last["log"], last["command"])
    return row if reached is None else {**row, "error_reached": reached}


def read_error(name: str, log: str, command: list[str]) -> float | None:
    """Give the best validation error of a training, of those that tell it."""
    if name == OURS and "train" in command:
        metrics = Path(command[command.index("--out") + 1]) / "metrics.json"
        validation = json.loads(metrics.read_text())["validation"]
        return next(value for key, value in _flat(validation) if key == "mean_absolute_error")
    if name == CLONE and any(text.endswith("main.py") for text in command):
        marks = [line.split()[-1] for line in log.splitlines() if line.strip().startswith("* MAE")]
        return min(map(float, marks))
    return None


def _flat(tree: dict, path: str = "") -> list[tuple[str, float]]:
    pairs = []
    for key, value in tree.items():
        pairs += _flat(value, key) if isinstance(value, dict) else [(key, value)]
    return pairs


def main() -> None:
    """Measure what is asked for, and store the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--reference", help="a clone of the code of 2018")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--crystals", type=Path, help="what benchmarks.crystals wrote, used again")
    parser.add_argument("--parts", default="abcdf")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 670, 15143])
    parser.add_argument("--learned", type=int, default=2000, help="crystals of part f")
    parser.add_argument("--epochs", type=int, default=10, help="of part f")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of part c")
    options = parser.parse_args()
    if options.device == "cuda" and options.parts != "c":
        parser.error("only part c is measured on an accelerator: --parts c --device cuda")
    programs = name_programs(options.reference, options.peer)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = options.crystals or work / "crystals"
        write = [sys.executable, "-m", "benchmarks.crystals", "--data", str(options.data)]
        write += ["--out", str(data), "--learned", str(options.learned)]
        write += ["--sizes", *map(str, {*options.sizes, 670})]
        if not data.exists():
            subprocess.run(write, check=True, cwd=ROOT, env=ENVIRONMENT)
        data = data.resolve()
        for part in options.parts:
            print(f"part {part}", file=sys.stderr, flush=True)
            rows, versions = measure_part(part, programs, data, options, work)
            if all("error" in row for row in rows):
                reasons = dict.fromkeys(row["error"] for row in rows)
                print(f"part {part}: not measured: {'; '.join(reasons)}", file=sys.stderr)
                continue
            name = "side_by_side" if options.device == "cpu" else "side_by_side_cuda"
            store(name, part, describe_run(), rows, versions)


def measure_part(
    part: str, programs: list[Program], data: Path, options: argparse.Namespace, work: Path
) -> tuple[list[dict], dict]:
    """Give the rows of a part, and the versions of the programs that answer tasks."""
    if part == "d":
        rows = measure_prediction(programs, data, options.sizes, options.rounds, work)
        return rows, {}
    if part == "f":
        rounds = min(options.rounds, 3)
        rows = measure_training(programs, data, options.learned, options.epochs, rounds, work)
        return rows, {}
    servers = [Server(program, work / f"{program.name}.log") for program in programs]
    try:
        if part == "a":
            rows = measure_graphs(servers, data, options.rounds)
        elif part == "b":
            rows = measure_first_batch(servers, data, options.rounds)
        else:
            rows = measure_steps(servers, data, options.rounds, options.device)
        answers = {server.program.name: server.ask("versions") for server in servers}
    finally:
        for server in servers:
            server.stop()
    return rows, {name: answer.get("versions", answer) for name, answer in answers.items()}


def store(name: str, part: str, run: dict, rows: list[dict], versions: dict) -> None:
    """Put a part in the stored results, and write the table anew."""
    path = RESULTS / f"{name}.json"
    content = json.loads(path.read_text()) if path.exists() else {"versions": {}, "parts": {}}
    content["versions"] |= versions
    content["parts"][part] = {**run, "rows": rows}
    content["parts"] = dict(sorted(content["parts"].items()))
    write_table(name, content)


if __name__ == "__main__":
    main()
