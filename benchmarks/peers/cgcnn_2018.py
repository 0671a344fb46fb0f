"""The code of 2018, of which the user has a clone: its folder is the first argument."""

import sys

from benchmarks.peers.serving import serve
from benchmarks.peers.padded import make_tasks

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from cgcnn.data import CIFData, collate_pool
    from cgcnn.model import CrystalGraphConvNet

    tasks = make_tasks(CIFData, collate_pool, CrystalGraphConvNet)
    serve(tasks, ("torch", "pymatgen-core"))
