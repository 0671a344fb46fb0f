"""One HTML page that needs nothing next to it, and what the pages of all results have in common.

A page is a `Report` of sections. Its look is in `page.html.j2` and `page.css`, for all of them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

import pandas as pd

from xtalgraph.data.files import EMBEDDED
from xtalgraph.errors import BadConfig
from xtalgraph.files import format_csv, write_json, write_text
from xtalgraph.report.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xtalgraph.data import Dataset
    from xtalgraph.evaluation.distance_table import DistanceTable
    from xtalgraph.nn import Task

PACKAGES = ("xtalgraph", "torch", "numpy", "scikit-learn")
CONFIG = "config.toml"
LONG_TEXT = 40  # characters of a cell; longer texts are on several lines
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
        return [
            "number"
            if pd.api.types.is_numeric_dtype(column)
            else "long"
            if column.astype(str).str.len().max() > LONG_TEXT
            else "text"
            for _, column in self.frame.items()
        ]

    def columns(self) -> Iterator[tuple[str, str]]:
        """Return the header of each column and its kind: `number`, `text`, or `long` text."""
        names = (str(name).replace("_", " ") for name in self.frame.columns)
        return zip(names, self._kinds(), strict=True)

    def rows(self) -> Iterator[list[tuple[str, str]]]:
        """Yield the cells of each row as they are shown, each with the kind of its column."""
        kinds = self._kinds()
        for row in self.frame.itertuples(index=False, name=None):
            yield list(zip(map(format_cell, row), kinds, strict=True))


@dataclass(frozen=True, eq=False)
class Section:
    """A section of a page, in the order of its attributes.

    Attributes:
        heading: Its title.
        paragraphs: Text.
        notes: Remarks.
        tables: Tables, also written as CSV.
        pictures: Figures.
        verbatim: Preformatted text.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    verbatim: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """The contents of a page.

    Attributes:
        title: The title of the page.
        sections: Its sections.
        numbers: Contents of `report.json`, NaN as null.
        made: The time that the page shows.
    """

    title: str
    sections: tuple[Section, ...]
    numbers: Mapping[str, object] = field(default_factory=dict)
    made: datetime = field(default_factory=lambda: datetime.now(UTC))


def write_report(folder: str | Path, report: Report) -> Path:
    """Write a page, and its numbers, figures and tables next to it.

    Args:
        folder: The output folder; it is created if missing.
        report: The contents. Names of figures and tables must be unique.

    Returns:
        `report.html`, which embeds its figures and loads nothing from the network. Next to it are
        `report.json`, `figures/` (PNG, SVG) and `tables/` (CSV).

    Raises:
        BadConfig: The name of a figure or table occurs twice, or is not a valid file name.
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
            write_text(folder / "tables" / f"{table.name}.csv", format_csv(table.frame))
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
    """Return the versions of Python and of the packages that results depend on."""
    return {"python": python_version()} | {name: version(name) for name in PACKAGES}


def format_cell(value: object) -> str:
    """Return a value as a table shows it: four digits, thousands apart, a dash for no value.

    >>> format_cell(0.0412345), format_cell(11356), format_cell(float("nan")), format_cell("SrTiO3")
    ('0.04123', '11,356', '–', 'SrTiO3')
    """
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def file_name(text: str) -> str:
    """Return a name for a figure or a table that holds a text, such as the name of a target.

    >>> file_name("scores_log10(K_VRH)")
    'scores_log10_K_VRH'
    """
    return re.sub(r"[^\w.-]+", "_", text).strip("_")


def describe_repeat(command: str, config: str = "", words: str = "") -> Section:
    """Return the section that says how to repeat the work, with the settings where there are any.

    Args:
        command: The command line.
        config: The text of `config.toml`, which lies beside the page.
        words: What else is to be said of the settings.
    """
    text = "Run this to repeat the work."
    if config:
        text += " Below it are the settings, which are also in config.toml."
    lines = [command, "", config.rstrip()] if config else [command]
    return Section(
        "Settings and how to repeat", (f"{text} {words}".strip(),), verbatim="\n".join(lines)
    )


def describe_data(dataset: Dataset | DistanceTable, *words: str) -> Section:
    """Return the section that says what the data are, and `words` of how they were split."""
    lines = [f"{dataset.name}: {len(dataset):,} crystals, {describe_source(dataset)}.", *words]
    if dataset.checksum:
        lines.append(f"SHA-256 of the data: {dataset.checksum}")
    return Section("Data and split", tuple(lines))


def describe_source(dataset: Dataset | DistanceTable) -> str:
    """Return the words that say where the data come from: a path, or how they were made."""
    made = name_source(dataset) == EMBEDDED
    return dataset.source if made else f"from {dataset.source}"


def name_source(dataset: Dataset | DistanceTable) -> str:
    """Return the argument with which a command reads the data set again."""
    made = dataset.name == EMBEDDED and not Path(dataset.source).exists()
    return EMBEDDED if made else dataset.source


def describe_targets(task: Task) -> str:
    """Return the names of the targets in words."""
    return ", ".join(target.name.replace("_", " ") for target in task.targets)


def name_task(task: Task) -> dict[str, object]:
    """Return the options with which a command is told the targets and the kind of task."""
    return {"target": ",".join(target.name for target in task.targets), "task": task.kind}


def target_table(name: str, frame: pd.DataFrame, task: Task, caption: str = "") -> Table:
    """Return a table for the page: one target is named above it, several have a column."""
    frame = frame.drop(columns=["folder"], errors="ignore")
    if len(task.targets) == 1:
        caption = f"{task.targets[0].column}. {caption}".strip()
        frame = frame.drop(columns=["target"])
    return Table(name, frame, caption)


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
