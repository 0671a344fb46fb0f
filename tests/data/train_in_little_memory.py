"""Trains on 40 MB of crystals with 24 MB left: `python -m tests.data.train_in_little_memory`.

Mapped pages are the system's to drop and do not count. Torch and the compiled loops are there
before the limit is set, by a first run.
"""

import resource
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data import Dataset, Split, pack_dataset, read_dataset, write_parquet
from xtalgraph.structures import CrystalStore
from xtalgraph.training import train
from xtalgraph.units import Target

MB = 1 << 20
ROOM = 24 * MB
CONFIG = small_config("train.epochs=1", "train.batch_size=16")


def write_large(folder: Path, n_crystals: int = 70_000) -> Path:
    """Pack crystals of 18 atoms, which differ in their cells, and give the folder."""
    grid = np.stack(np.meshgrid([0, 1 / 3, 2 / 3], [0, 1 / 3, 2 / 3], [0, 0.5]), -1).reshape(-1, 3)
    lengths = np.random.default_rng(1).uniform(8, 10, n_crystals)
    store = CrystalStore(
        lengths[:, None, None] * np.diag([1.0, 1.0, 0.7]),
        np.tile(grid, (n_crystals, 1)),
        np.tile(np.arange(18) % 9 + 3, n_crystals).astype(np.uint8),
        np.arange(0, 18 * n_crystals + 1, 18),
        np.array([f"c{row}" for row in range(n_crystals)], np.dtypes.StringDType()),
    )
    columns, targets = pd.DataFrame({"energy": -lengths}), {"energy": Target("energy")}
    large = Dataset("large", store, columns, targets, "", "")
    return pack_dataset(write_parquet(large, folder / "large.parquet"), folder / "packed")


def data_bytes() -> int:
    """Give the memory of this process that the limit counts."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmData:")[1].split()[0])


def main(out: str) -> None:
    packed = write_large(Path(out))
    train(make_tiny(60), "energy", out=Path(out) / "first", config=CONFIG)
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + ROOM, -1))
    dataset = read_dataset(packed)
    assert dataset.crystals.lattices.nbytes + dataset.crystals.fractional_positions.nbytes > ROOM
    rows = np.random.default_rng(2).permutation(len(dataset))[:400]
    split = Split(rows[:320], rows[320:360], rows[360:])
    run = train(dataset, "energy", out=Path(out) / "second", config=CONFIG, split=split)
    assert run.metrics["n_train"] == 320
    print("trained")
    try:
        [np.array(dataset.crystals.fractional_positions) for _ in range(2)]
    except MemoryError:
        print("no room in memory")


if __name__ == "__main__":
    main(sys.argv[1])
