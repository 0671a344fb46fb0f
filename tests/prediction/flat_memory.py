"""Prints how the peak memory grows from one table to another, in bytes: in pieces, and at once.

`python -m tests.prediction.flat_memory MODEL SMALL LARGE OUT`
"""

import sys
from pathlib import Path

from xtalgraph.cli.app import run
from xtalgraph.data import read_dataset, tables
from xtalgraph.prediction import load_model


def peak() -> int:
    """Give the highest memory of this program so far, in bytes.

    `getrusage` would not do: its peak is inherited from the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def main(model: str, small: str, large: str, out: str) -> None:
    tables._ROWS = 1024  # so that a piece is small beside either table
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
