"""One HTML page that needs nothing beside it, and what the pages of all results have in common.

A page is a `Report` of sections. Its look is in `page.html.j2` and `page.css`, for all of them.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

import pandas as pd

from xtalgraph.errors import BadConfig
from xtalgraph.files import write_json, write_text
from xtalgraph.report.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PACKAGES = ("xtalgraph", "torch", "numpy", "scikit-learn")
NARROW, MEDIUM, WIDE = 440, 560, 860  # pixels of a picture on the page


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure on a page.

    Attributes:
        name: Of its files, made of letters, digits, `_`, `-` and `.`; see `file_name`.
        figure: A matplotlib figure.
        caption: The words below it.
        width: On the page, in pixels.
    """

    name: str
    figure: Figure
    caption: str
    width: int = NARROW


@dataclass(frozen=True, eq=False)
class Table:
    """A table on a page.

    Attributes:
        name: Of its CSV file, as that of a picture.
        frame: The columns, headers with units; `_` is shown as a blank.
        caption: The words above it.
        first_stands_out: Whether the first row is what the page is about.
    """

    name: str
    frame: pd.DataFrame
    caption: str = ""
    first_stands_out: bool = False

    def _kinds(self) -> list[str]:
        numeric = (pd.api.types.is_numeric_dtype(kind) for kind in self.frame.dtypes)
        return ["number" if is_number else "text" for is_number in numeric]

    def columns(self) -> Iterator[tuple[str, str]]:
        """Give the header of each column, and whether it is of a `number` or of a `text`."""
        names = (str(name).replace("_", " ") for name in self.frame.columns)
        return zip(names, self._kinds(), strict=True)

    def rows(self) -> Iterator[list[tuple[str, str]]]:
        """Give the cells of each row as they are shown, each with the kind of its column."""
        kinds = self._kinds()
        for row in self.frame.itertuples(index=False, name=None):
            yield list(zip(map(format_cell, row), kinds, strict=True))


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a report: paragraphs, then notes, tables, figures, and preformatted text."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    verbatim: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """A title and sections; `numbers` go into `report.json`, NaN as null."""

    title: str
    sections: tuple[Section, ...]
    numbers: Mapping[str, object] = field(default_factory=dict)
    made: datetime = field(default_factory=lambda: datetime.now(UTC))


def write_report(folder: str | Path, report: Report) -> Path:
    """Write a page, and its numbers, figures and tables beside it.

    Args:
        folder: Where they go; it is made where it is not there.
        report: What they show. Figures and tables have different names.

    Returns:
        `report.html`, which has its figures inside and loads nothing from the network. Beside it
        lie `report.json`, `figures/` (PNG, SVG) and `tables/` (CSV).

    Raises:
        BadConfig: A name of a figure or table is taken, or no name for a file.
    """
    from jinja2 import Environment

    folder = Path(folder)
    _refuse_repeated_names(report)
    images = {}
    for section in report.sections:
        for picture in section.pictures:
            png = save_figure(picture.figure, folder / "figures" / picture.name)[0]
            images[picture.name] = base64.b64encode(png.read_bytes()).decode("ascii")
        for table in section.tables:
            (folder / "tables").mkdir(parents=True, exist_ok=True)
            write_text(folder / "tables" / f"{table.name}.csv", table.frame.to_csv(index=False))
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {"title": report.title, "versions": versions(), **report.numbers}
    write_json(folder / "report.json", numbers)
    here = files(__package__)
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        here.joinpath("page.html.j2").read_text("utf-8")
    )
    style = here.joinpath("page.css").read_text("utf-8")
    text = template.render(report=report, versions=versions(), images=images, style=style)
    write_text(folder / "report.html", text + "\n")
    return folder / "report.html"


def versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that results depend on."""
    return {"python": python_version()} | {name: version(name) for name in PACKAGES}


def format_cell(value: object) -> str:
    """Give a value as a table shows it: four digits, thousands apart, a dash for no value.

    >>> format_cell(0.0412345), format_cell(11356), format_cell(float("nan")), format_cell("SrTiO3")
    ('0.04123', '11,356', '–', 'SrTiO3')
    """
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def file_name(text: str) -> str:
    """Give a name for a figure or a table that holds a text, such as the name of a target.

    >>> file_name("scores_log10(K_VRH)")
    'scores_log10_K_VRH'
    """
    return re.sub(r"[^\w.-]+", "_", text).strip("_")


def write_command(verb: str, source: str, options: Mapping[str, object]) -> str:
    """Give a command line, quoted for a shell; an option with a list is given several times.

    >>> print(write_command("compare", "my data.csv", {"vary": ["a=1,2", "b=3"], "out": "AGAIN"}))
    xtalgraph compare 'my data.csv' \\
        --vary a=1,2 \\
        --vary b=3 \\
        --out AGAIN
    """
    parts = [f"xtalgraph {verb} {shlex.quote(source)}"]
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        parts += [f"--{name} {shlex.quote(str(one))}" for one in values]
    return " \\\n    ".join(parts)


def describe_repeat(command: str, config: str = "", words: str = "") -> Section:
    """Give the section that says how to repeat the work, with the settings where there are any.

    Args:
        command: The command line.
        config: The text of `config.toml`, which lies beside the page.
        words: What else is to be said of the settings.
    """
    text = "This command repeats the work."
    if config:
        text += " Below it are the settings, which are also in config.toml beside this page."
    lines = [command, "", config.rstrip()] if config else [command]
    return Section(
        "Settings and how to repeat", (f"{text} {words}".strip(),), verbatim="\n".join(lines)
    )


def join_names(names: Sequence[str]) -> str:
    """Give names in words, with commas.

    >>> join_names(["band_gap", "is_metal"])
    'band gap, is metal'
    """
    return ", ".join(names).replace("_", " ")


def _refuse_repeated_names(report: Report) -> None:
    seen: set[str] = set()
    for section in report.sections:
        pictures = [picture.name for picture in section.pictures]
        for name in [*pictures, *(table.name for table in section.tables)]:
            if name in seen or not re.fullmatch(r"[\w.-]+", name):
                raise BadConfig(
                    f"report: the name {name!r} is taken, or no name for a file. Give each figure "
                    "and table one of its own, of letters, digits, '_', '-' and '.'."
                )
            seen.add(name)
