"""Run the cells of a notebook in order, as a kernel would, each of them named if it stops."""

from __future__ import annotations

import json
import sys
import traceback


def run(path: str, settings: dict[str, str]) -> None:
    """Execute all code cells in one name space; `settings` are lines to put in place of others."""
    with open(path, encoding="utf-8") as file:
        cells = [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]
    names: dict = {"__name__": "__main__", "display": print}
    used = set()
    for number, cell in enumerate(cells):
        lines = "".join(cell["source"]).splitlines()
        for place, line in enumerate(lines):
            begin = line.partition(" = ")[0]
            if begin in settings and begin not in used:
                lines[place] = f"{begin} = {settings[begin]}"
                used.add(begin)
        try:
            exec(compile("\n".join(lines), f"cell {number}", "exec"), names)
        except Exception:
            traceback.print_exc()
            sys.exit(f"cell {number} of {path} stopped:\n" + "\n".join(lines))
    if used != set(settings):
        sys.exit(f"no cell sets {sorted(set(settings) - used)}")


if __name__ == "__main__":
    sys.path.insert(0, "")  # as in a kernel: modules beside the notebook
    run(sys.argv[1], dict(one.split("=", 1) for one in sys.argv[2:]))
