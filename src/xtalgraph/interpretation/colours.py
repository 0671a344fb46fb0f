"""Which colour a contribution has."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

TWO_SIDED, ONE_SIDED = "RdBu_r", "viridis"
OUTLIERS = 4.0  # percent of the values on each side that may lie beyond the ends of the scale
NARROW = 0.05  # of the value; a scale is no narrower, or it would show differences that are none


@dataclass(frozen=True)
class Scale:
    """A scale of colours from `low` to `high`, in the unit of the contributions."""

    low: float
    high: float
    colour_map: str

    def colour(self, value: float) -> tuple[float, ...]:
        """Give the colour of a contribution: red, green, blue, opacity."""
        return tuple(np.asarray(self.mappable().to_rgba(np.array([value])))[0].tolist())

    def mappable(self) -> "ScalarMappable":
        """Give what matplotlib draws a colour bar of."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        return ScalarMappable(Normalize(self.low, self.high), self.colour_map)

    def extend(self, values: Float64[np.ndarray, "n_rows"]) -> str:
        """Say at which ends values go on, as matplotlib's `extend` has it."""
        slack = 1e-9 * (self.high - self.low)
        ends = {(True, False): "min", (False, True): "max", (True, True): "both"}
        beyond = bool(values.min() < self.low - slack), bool(values.max() > self.high + slack)
        return ends.get(beyond, "neither")


def find_scale(values: Float64[np.ndarray, "n_rows"]) -> Scale:
    """Give the scale that suits some contributions.

    Where both signs occur, white is zero, blue lowers the prediction and red raises it.
    """
    low, high = np.percentile(values, [OUTLIERS, 100 - OUTLIERS]).tolist()
    if low < 0 < high:
        return Scale(-max(-low, high), max(-low, high), TWO_SIDED)
    margin = max(NARROW * abs(low + high) / 2 - (high - low) / 2, 1e-9)
    return Scale(low - margin, high + margin, ONE_SIDED)


def ink_on(colour: tuple[float, ...]) -> str:
    """Give black or white, whichever can be read on a colour."""
    brightness = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    return "white" if brightness < 0.5 else "#111111"
