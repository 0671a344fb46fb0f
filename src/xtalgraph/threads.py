"""How many threads numpy and torch use for products of matrices."""

import os
import sys

from threadpoolctl import threadpool_limits


def limit_threads(n_threads: int) -> None:
    """Let this process use so many threads, in numpy and torch, also in a torch loaded later."""
    threadpool_limits(n_threads)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(n_threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(n_threads)
