"""One HTML page that needs nothing beside it, and the figures, tables and numbers behind it."""

import base64
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

import pandas as pd

from xtalgraph.errors import BadConfig
from xtalgraph.report.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PACKAGES = ("xtalgraph", "torch", "numpy", "scikit-learn")

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #ddd; }
.made { color: #555; margin-top: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .8rem 0; }
caption { text-align: left; color: #555; padding-bottom: .3rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #e4e4e4; text-align: left; }
th { border-bottom: 2px solid #bbb; vertical-align: bottom; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.first td { font-weight: 600; background: #eef5fa; }
figure { display: inline-block; margin: .6rem 1.2rem .6rem 0; vertical-align: top;
         max-width: 100%; }
figure img { max-width: 100%; height: auto; }
figcaption { color: #444; font-size: .9rem; max-width: 27rem; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; font-size: .85rem; }
.note { border-left: 4px solid #d55e00; padding: .2rem .8rem; background: #fdf3ec; }
@media print { body { max-width: none; margin: 0; } figure, table { break-inside: avoid; } }
"""


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure under a name (for its files), with the words below it."""

    name: str
    figure: "Figure"
    caption: str
    width: int = 440  # pixels on the page


@dataclass(frozen=True, eq=False)
class Table:
    """A table under a name (for its file), with the words above it."""

    name: str
    frame: pd.DataFrame
    caption: str = ""
    first_stands_out: bool = False  # the first row is what the page is about


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a report: paragraphs, then notes, tables, figures, and text as it stands."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    verbatim: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """A title and sections; `numbers` go into `report.json`, and `made` is said under the title."""

    title: str
    sections: tuple[Section, ...]
    numbers: Mapping[str, object] = field(default_factory=dict)
    made: datetime = field(default_factory=lambda: datetime.now(UTC))


def write_report(folder: str | Path, report: Report) -> Path:
    """Write `report.html`, `report.json`, `figures/` (PNG, SVG) and `tables/` (CSV); give the page.

    The page has its pictures inside and asks nothing of the network.
    """
    folder = Path(folder)
    _refuse_repeated_names(report)
    folder.mkdir(parents=True, exist_ok=True)
    for section in report.sections:
        for picture in section.pictures:
            save_figure(picture.figure, folder / "figures" / picture.name)
        for table in section.tables:
            (folder / "tables").mkdir(exist_ok=True)
            table.frame.to_csv(folder / "tables" / f"{table.name}.csv", index=False)
    numbers = {"title": report.title, "versions": versions(), **report.numbers}
    text = json.dumps(numbers, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    page = folder / "report.html"
    page.write_text(_format_page(report, folder / "figures"), encoding="utf-8")
    return page


def versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that results depend on."""
    return {"python": python_version()} | {name: version(name) for name in PACKAGES}


def _format_page(report: Report, figures: Path) -> str:
    made = ", ".join(f"{name} {number}" for name, number in versions().items())
    title = html.escape(report.title)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            f"<h1>{title}</h1>",
            f'<p class="made">{report.made:%Y-%m-%d %H:%M} UTC · {html.escape(made)}</p>',
            *(_format_section(section, figures) for section in report.sections),
            "</body></html>\n",
        ]
    )


def _format_section(section: Section, figures: Path) -> str:
    parts = [f"<h2>{html.escape(section.heading)}</h2>"]
    parts += [f"<p>{html.escape(text)}</p>" for text in section.paragraphs]
    parts += [f'<p class="note">{html.escape(text)}</p>' for text in section.notes]
    parts += [_format_table(table) for table in section.tables]
    parts += [_format_picture(picture, figures) for picture in section.pictures]
    if section.verbatim:
        parts.append(f"<pre>{html.escape(section.verbatim)}</pre>")
    return "<section>" + "\n".join(parts) + "</section>"


def _format_picture(picture: Picture, figures: Path) -> str:
    png = base64.b64encode((figures / f"{picture.name}.png").read_bytes()).decode("ascii")
    caption = html.escape(picture.caption)
    return (
        f'<figure><img width="{picture.width}" alt="{caption}" '
        f'src="data:image/png;base64,{png}"><figcaption>{caption}</figcaption></figure>'
    )


def _format_table(table: Table) -> str:
    frame = table.frame
    is_number = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    classes = [' class="number"' if numeric else "" for numeric in is_number]
    head = "".join(
        f"<th{kind}>{html.escape(str(name).replace('_', ' '))}</th>"
        for name, kind in zip(frame.columns, classes, strict=True)
    )
    body = []
    for number, row in enumerate(frame.itertuples(index=False, name=None)):
        cells = "".join(
            f"<td{kind}>{html.escape(format_cell(value))}</td>"
            for value, kind in zip(row, classes, strict=True)
        )
        mark = ' class="first"' if table.first_stands_out and number == 0 else ""
        body.append(f"<tr{mark}>{cells}</tr>")
    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    return (
        f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


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
