"""Training does not wait for a compiler and a signal processing that it never uses."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from xtalgraph.training.stand_ins import COMPILER, SIGNALS, OptimizedModule, disable, standing_in

NOT_NEEDED = {"torch._dynamo", "sympy", "scipy.signal", "scipy.stats", "sklearn"}


def loaded_after(code: str) -> set[str]:
    """Give which of the modules that training does not need a new process has after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('LOADED', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return NOT_NEEDED & set(done.stdout.split("LOADED")[1].split())


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_run_and_its_report_load_neither_compiler_nor_signals(
    tmp_path: Path, optimiser: str
) -> None:
    code = (
        "from tests.training.tiny import make_tiny, small_config\n"
        "from xtalgraph.training import train\n"
        "from xtalgraph.evaluation import report_run\n"
        f"settings = small_config('train.optimiser={optimiser}', 'train.gradient_clip=1.0')\n"
        f"run = train(make_tiny(), 'energy', out={str(tmp_path / 'run')!r}, config=settings)\n"
        "report_run(run.folder, make_tiny())"
    )
    assert loaded_after(code) == set()


def test_the_probe_finds_what_lightning_loads_by_itself() -> None:
    assert loaded_after("import lightning.pytorch") == NOT_NEEDED - {"sklearn"}


def test_afterwards_the_real_modules_are_found() -> None:
    code = (
        "import xtalgraph.training, sys\n"
        f"assert not {{{COMPILER!r}, {SIGNALS!r}}} & set(sys.modules)\n"
        "import torch, scipy.signal\n"
        "assert scipy.signal.find_peaks([0, 1, 0])[0].tolist() == [1]\n"
        "doubled = torch.compile(lambda x: 2 * x, backend='eager')\n"
        "assert doubled(torch.ones(1)).item() == 2\n"
        "assert torch._dynamo.OptimizedModule.__module__ == 'torch._dynamo.eval_frame'"
    )
    assert loaded_after(code) >= {"torch._dynamo", "scipy.signal"}


def test_a_version_that_asks_for_more_gets_the_real_modules() -> None:
    # an empty package in the place of the room, so that its import does not do it all before
    code = (
        "import sys, types, importlib.util\n"
        "spec = importlib.util.find_spec('xtalgraph.training')\n"
        "room = types.ModuleType(spec.name)\n"
        "room.__path__ = list(spec.submodule_search_locations)\n"
        "sys.modules[spec.name] = room\n"
        "from xtalgraph.training import stand_ins\n"
        "stand_ins._make_compiler = lambda: types.ModuleType(stand_ins.COMPILER)\n"
        "from xtalgraph.training.lightning import Trainer\n"
        "assert Trainer(logger=False, accelerator='cpu', max_epochs=3).max_epochs == 3"
    )
    assert "torch._dynamo" in loaded_after(code)


def test_nothing_stays_where_an_import_fails() -> None:
    hidden = {name: sys.modules.pop(name, None) for name in (COMPILER, SIGNALS)}
    try:
        with suppress(ImportError), standing_in():
            assert sys.modules[COMPILER].OptimizedModule is OptimizedModule
            raise ImportError
        assert not set(hidden) & set(sys.modules)
    finally:
        sys.modules.update({name: real for name, real in hidden.items() if real is not None})


def test_what_is_there_already_stays() -> None:
    import torch._dynamo

    with standing_in():
        assert sys.modules[COMPILER] is torch._dynamo


def test_the_stand_in_for_compiled_networks_has_their_instances() -> None:
    network = torch.nn.Linear(1, 1)
    assert not isinstance(network, OptimizedModule)
    assert isinstance(torch.compile(network, backend="eager"), OptimizedModule)


def test_a_function_that_is_kept_from_the_compiler_is_kept_from_it_once_it_is_there() -> None:
    def is_compiled() -> bool:
        return torch.compiler.is_compiling()

    kept, kept_too = disable(is_compiled), disable(reason="none")(is_compiled)
    assert kept.__name__ == "is_compiled"
    assert torch.compile(is_compiled, backend="eager")()
    assert not torch.compile(kept, backend="eager")()
    assert not kept_too()
