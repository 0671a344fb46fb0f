"""The table of the comparison, from what was measured."""

from benchmarks.programs import OURS
from benchmarks.timing import say_run, write_files

TITLES = {
    "a": "CIF files to graphs, µs a crystal",
    "b": "a folder to the first batch of 256, s",
    "c": "a step of learning, crystals a second",
    "d": "a folder of CIF files to a CSV, whole process, s of processor",
    "f": "a folder to a trained model, whole process, s of processor",
}
HEAD = "| part | crystals | program | value | times xtalgraph | peak MB | rounds | remark |"


def write_table(name: str, content: dict) -> None:
    """Write the parts as one Markdown table and as JSON."""
    lines = [f"({part}) {TITLES[part]}." for part in content["parts"]]
    lines = [" ".join(lines), "", HEAD, "|---|---|---|---|---|---|---|---|"]
    for part, measured in content["parts"].items():
        lines += [format_row(part, row, measured["rows"]) for row in measured["rows"]]
    lines += [""] + [f"({part}) {say_run(run)}" for part, run in content["parts"].items()]
    for program, packages in content["versions"].items():
        lines.append(
            f"{program}: " + ", ".join(f"{key} {value}" for key, value in packages.items())
        )
    write_files(name, lines, content)


def format_row(part: str, row: dict, rows: list[dict]) -> str:
    """One line: what was measured, or why it was not."""
    cells = [part, row.get("crystals", ""), row["program"]]
    remark = [row["way"]] if row.get("way") else []
    if "error" in row:
        remark.append(f"not measured: {row['error'].replace('|', ' ')}")
        return _line([*cells, "", "", "", "", "; ".join(remark)])
    if "form" in row:
        remark.append(f"computed by {row['form']}")
    if "losses_differ" in row:
        remark.append(f"losses within {row['losses_differ']:.0e}")
    if "wall_seconds" in row:
        remark.append(f"{row['wall_seconds']:.1f} s of the clock")
    if "error_reached" in row:
        remark.append(f"validation error {row['error_reached']:.3f}")
    if "epochs" in row:
        remark.append(f"after {row['epochs']} epochs")
    ratio = compare(row, rows)
    cells += [
        format_value(part, row),
        "" if ratio is None else f"{ratio:.1f}",
        f"{row['peak_MB']:,.0f}" if "peak_MB" in row else "",
        str(row.get("rounds", "")),
    ]
    return _line([*cells, "; ".join(remark)])


def format_value(part: str, row: dict) -> str:
    """The measured value in the unit of its part."""
    if part == "a":
        return f"{1e6 * row['seconds'] / row['n']:,.1f}"
    if part == "c":
        rate = f"{row['n'] / row['seconds']:,.0f}"
        return f"{rate} ({row['n_atoms'] / row['seconds']:,.0f} atoms)"
    return f"{row['seconds']:.3g}"


def compare(row: dict, rows: list[dict]) -> float | None:
    """Seconds of a row by those of ours at the same work, or None without such a row.

    A network of another kind is set against ours of 2018, and merged graphs against whole ones.
    """
    stands_for = {
        "its own network": "network of 2018",
        "without normalisation, merged": "without normalisation",
    }
    way = row.get("way", "")
    way = stands_for.get(way, way)
    for ours in rows:
        same = ours.get("crystals") == row.get("crystals") and ours.get("way", "") == way
        if ours["program"] == OURS and same and "seconds" in ours:
            return row["seconds"] / ours["seconds"]
    return None


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
