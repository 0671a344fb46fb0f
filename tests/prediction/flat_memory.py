"""Prints how the peak memory grows from one table to another, in bytes: in pieces, and at once.

`python -m tests.prediction.flat_memory MODEL SMALL LARGE OUT`
"""

import resource
import sys

from xtalgraph.cli.app import run
from xtalgraph.datasets import read_dataset
from xtalgraph.prediction import load_model


def peak() -> int:
    """Give the highest memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(model: str, small: str, large: str, out: str) -> None:
    peaks = []
    for table in (small, large):
        assert run(["predict", model, table, "--out", out]) == 0
        peaks.append(peak())
    whole = load_model(model).predict(read_dataset(large).crystals).to_frame()  # the negative twin
    assert len(whole)
    peaks.append(peak())
    print(peaks[1] - peaks[0], peaks[2] - peaks[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
