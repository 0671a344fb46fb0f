"""The ids by which matbench's leaderboard calls the rows of its tables."""

from __future__ import annotations

import re

import numpy as np

_FILE_NAME = re.compile(r"matbench_(?P<task>\w+)\.json(\.gz)?")


def matbench_ids(file_name: str, n_rows: int) -> np.ndarray | None:
    """Give the official ids of the rows of one of matbench's files; None for other files.

    Rows are counted from 1, in as many digits as the number of rows has.

    >>> matbench_ids("matbench_steels.json.gz", 312)[0]
    'mb-steels-001'
    """
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        return None
    task, digits = match["task"].replace("_", "-"), len(str(n_rows))
    ids = [f"mb-{task}-{row:0{digits}d}" for row in range(1, n_rows + 1)]
    return np.array(ids, dtype=np.dtypes.StringDType())
