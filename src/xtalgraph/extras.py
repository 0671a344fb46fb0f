"""What is installed with an extra only, and public names that are loaded when they are used.

The base predicts, builds graphs, reads and checks. What else is needed comes with an extra, and is
imported where it is used; where it is missing, `MissingExtra` says the command that installs it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import lazy_loader

from xtalgraph.errors import MissingExtra

EXTRA_OF = {
    "ase": "ase",
    "PIL": "train",
    "captum": "explain",
    "huggingface_hub": "hub",
    "jinja2": "train",
    "matplotlib": "train",
    "mp_api": "mp-api",
    "optuna": "tune",
    "pandas": "tables",
    "pyarrow": "tables",
    "pymatgen": "pymatgen",
    "python_calamine": "tables",
    "ray": "scale",
    "sklearn": "train",
    "tensorboard": "tensorboard",
    "tomli_w": "train",
    "torch": "train",
}
"""The extra by the name of a module that the base does not install."""

_SHARED = ("PIL", "pandas", "pyarrow", "jinja2", "matplotlib", "pymatgen")
"""Modules of several extras: which of them to install depends on who asks."""


def import_extra(module: str, feature: str) -> Any:
    """Import a module that an extra installs.

    Args:
        module: Its name, such as `pyarrow`.
        feature: What needs it, as the message begins.

    Returns:
        The module.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise explain_missing(error, feature) or error from None


def explain_missing(error: Exception, feature: str, extra: str = "") -> MissingExtra | None:
    """Return the error that names the extra of a missing module; None for any other error.

    Args:
        error: What an import raised.
        feature: What needs the module.
        extra: That of whoever asks, for modules that several extras install.
    """
    if not isinstance(error, ModuleNotFoundError):
        return None
    name = (error.name or "").partition(".")[0]
    if name not in EXTRA_OF:
        return None
    return MissingExtra(feature, extra if extra and name in _SHARED else EXTRA_OF[name])


def attach_names(
    package: str, file: str, extra: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package, from its stub.

    Args:
        package: Its name.
        file: The path of its `__init__.py`; the stub `__init__.pyi` next to it lists the names.
        extra: What the package needs as a whole.

    Returns:
        The three, as `lazy_loader.attach_stub` does. A name whose module needs what is not
        installed raises `MissingExtra`.
    """
    load, names, public = lazy_loader.attach_stub(package, file)

    def load_or_explain(name: str) -> Any:
        try:
            return load(name)
        except ModuleNotFoundError as error:
            raise explain_missing(error, f"{package}.{name}", extra) or error from None

    return load_or_explain, names, public
