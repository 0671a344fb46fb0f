"""One look for every figure: sizes, colours, labels with units, and how a figure is saved."""

import functools
import io
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from xtalgraph.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

COLOURS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "gold": "#E69F00",
    "black": "#222222",
    "grey": "#8A8A8A",
}
"""Okabe and Ito's colours, told apart with every common colour vision deficiency."""

SERIES = [COLOURS[name] for name in ("blue", "orange", "green", "purple", "sky", "gold", "black")]
"""The order in which series take colours."""

MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
"""The order in which series take markers, so that a grey print still distinguishes them."""

DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]
"""The order in which series take line styles."""

DENSITY_MAP = "viridis"
ERROR_MAP = "cividis"

COLUMN_WIDTH = 3.5  # inches, one column of a journal page
PAGE_WIDTH = 7.0  # inches, both columns
DOTS = 200  # an inch, of a PNG
LONG_LABEL = 36  # characters that fit along the side of the smallest figure


def styled(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Draw with the settings of this package, without changing the user's own."""

    @functools.wraps(draw)
    def draw_styled(*args: Parameters.args, **keywords: Parameters.kwargs) -> Result:
        from matplotlib import rc_context

        with rc_context(read_settings()):
            return draw(*args, **keywords)

    return draw_styled


@functools.cache
def read_settings() -> Any:
    """Return the matplotlib settings for figures of this package."""
    from matplotlib import rc_params_from_file

    with as_file(files(__package__).joinpath("xtalgraph.mplstyle")) as path:
        return rc_params_from_file(path, use_default_template=False)


def new_figure(width: float = COLUMN_WIDTH, height: float = 3.0) -> "tuple[Figure, Axes]":
    """Return an empty figure (sizes in inches) with one pair of axes, outside pyplot's list."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def series(number: int) -> dict[str, Any]:
    """Return the colour and the dashes of the n-th line of a figure."""
    return {"color": SERIES[number % len(SERIES)], "linestyle": DASHES[number % len(DASHES)]}


def name_bar(bar: "Colorbar", words: str) -> None:
    """Label a colour bar, and remove its outline."""
    bar.set_label(words, fontsize=8)
    bar.outline.set_visible(False)


def plain_log_ticks(
    axis: "Axis",
    form: str = "{x:g}",
    steps: tuple[float, ...] = (1.0, 2.0, 5.0),
    numticks: int | None = None,
) -> None:
    """Label a logarithmic axis with numbers instead of powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=steps, numticks=numticks))
    axis.set_major_formatter(StrMethodFormatter(form))
    axis.set_minor_formatter(NullFormatter())


def label(quantity: str, unit: str = "") -> str:
    """Return the label of an axis: the quantity in words, with its unit if it has one.

    Long labels are broken into two lines, so that they do not exceed the axis of a small figure.

    >>> label("band_gap", "eV"), label("accuracy")
    ('band gap (eV)', 'accuracy')
    """
    words = quantity.replace("_", " ")
    words += f" ({unit})" if unit else ""
    return words if len(words) <= LONG_LABEL else "\n".join(textwrap.wrap(words, LONG_LABEL))


def save_figure(figure: "Figure", path_without_suffix: str | Path) -> list[Path]:
    """Write a figure as PNG (200 dots per inch) and as SVG.

    It is laid out once; matplotlib's own `savefig` lays out and draws twice per file.

    Args:
        figure: The figure.
        path_without_suffix: The path of both files, without `.png` and `.svg`.

    Returns:
        Both paths.
    """
    path = Path(path_without_suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with _lent(figure):
        for suffix, draw in ((".png", _draw_png), (".svg", _draw_svg)):
            target = path.with_name(path.name + suffix)  # a name like `alpha0.5` keeps its point
            write_bytes(target, draw(figure, DOTS))
            written.append(target)
    return written


def save_small_png(figure: "Figure", path: str | Path) -> None:
    """Write the figure as PNG only, with 120 dots per inch and 64 colours, to save space."""
    from PIL import Image

    with _lent(figure):
        image = Image.open(io.BytesIO(_draw_png(figure, 120))).convert("RGB")
    image.quantize(64, dither=Image.Dither.NONE).save(path, "png", optimize=True)


@contextmanager
def _lent(figure: "Figure") -> Iterator[None]:
    """Return a figure back with the canvas, the dots and the layout that it came with."""
    canvas, dots, layout = figure.canvas, figure.dpi, figure.get_layout_engine()
    try:
        yield
    finally:
        figure.set_layout_engine(layout)
        figure.set_dpi(dots)
        figure.set_canvas(canvas)


@styled
def _draw_png(figure: "Figure", dots: int) -> bytes:
    """Lay out, draw, and leave the layout as it is from here on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(dots)
    canvas.draw()
    figure.set_layout_engine("none")
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).save(buffer, "png", dpi=(dots, dots))
    return buffer.getvalue()


@styled
def _draw_svg(figure: "Figure", dots: int) -> bytes:
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvas, buffer = FigureCanvasSVG(figure), io.StringIO()
    figure.set_dpi(dots)  # of the pictures within
    canvas.print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue().encode("utf-8")
