"""What can go wrong, said so that the reader can mend it.

Every error that xtalgraph raises on purpose is a child of `XtalgraphError`. Its message has what is
wrong, where (file, id, site), and what to do.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


class XtalgraphError(Exception):
    """Anything that the user of xtalgraph can mend."""

    def __reduce__(self) -> tuple:
        """Cross to another process as it is: the constructors take other arguments than a text."""
        return _restore, (type(self), self.args, vars(self))


def _restore(kind: type[XtalgraphError], words: tuple, facts: dict) -> XtalgraphError:
    error = kind.__new__(kind, *words)
    vars(error).update(facts)
    return error


class BadCrystal(XtalgraphError):
    """A structure that cannot be used, with its id, its file and its site where they are known.

    >>> print(BadCrystal("two atoms overlap", id="x1", site=3, remedy="Remove one of them."))
    crystal 'x1', site 3: two atoms overlap. Remove one of them.
    """

    def __init__(
        self,
        problem: str,
        *,
        id: str | None = None,
        file: str | None = None,
        site: int | None = None,
        remedy: str = "",
    ) -> None:
        self.problem, self.id, self.file, self.site, self.remedy = problem, id, file, site, remedy
        where = [f"crystal {id!r}"] if id else ["crystal"]
        where += [f"file {file}"] if file else []
        where += [f"site {site}"] if site is not None else []
        super().__init__(f"{', '.join(where)}: {problem}." + (f" {remedy}" if remedy else ""))

    @property
    def reason(self) -> str:
        """What is wrong without the id and the file, which stand next to it in a list."""
        where = f"site {self.site}: " if self.site is not None else ""
        return f"{where}{self.problem}." + (f" {self.remedy}" if self.remedy else "")


class CrystalWarning(UserWarning):
    """What was guessed in a crystal that is read, or what in its file does not fit together."""


class BadDataset(XtalgraphError):
    """A table, a folder or a split that cannot be used as it is."""


class BadConfig(XtalgraphError):
    """A setting outside what is legal, or a combination that cannot work."""


class BadCheckpoint(XtalgraphError):
    """A model file that is broken, of another format, or not what it says it is."""


class FolderInUse(XtalgraphError):
    """A folder in which another process is at work."""

    def __init__(self, folder: Path | str, owner: str) -> None:
        self.folder, self.owner = str(folder), owner
        super().__init__(
            f"{folder} is in use: {owner} is running here. Wait until it ends, stop it, or choose "
            "another folder (--out)."
        )


class LostWorkers(XtalgraphError):
    """Processes that died again and again while they worked on the same things."""


class MissingExtra(XtalgraphError):
    """A feature whose optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature, self.extra = feature, extra
        super().__init__(f"{feature} needs an extra: pip install 'xtalgraph[{extra}]'.")


class UnknownName(XtalgraphError):
    """A name that is not in a list of legal ones, answered with the nearest legal one.

    >>> print(UnknownName("pooling", "meen", ["mean", "sum", "max"]))
    unknown pooling 'meen'. Did you mean 'mean'? Legal: max, mean, sum.
    >>> print(UnknownName("setting", "lr", ["loss", "learning_rate"]))
    unknown setting 'lr'. Did you mean 'learning_rate'? Legal: learning_rate, loss.
    """

    def __init__(self, kind: str, name: str, legal: Iterable[str]) -> None:
        legal = sorted(legal)
        self.kind, self.name, self.legal = kind, name, legal
        near = _find_nearest(name, legal)
        guess = f" Did you mean {near!r}?" if near else ""
        choice = f"Legal: {', '.join(legal)}." if legal else "There is none at all."
        super().__init__(f"unknown {kind} {name!r}.{guess} {choice}")


def _find_nearest(name: str, legal: Sequence[str]) -> str:
    """Return the legal name whose initials are given, or that is spelled alike; or nothing."""
    section, _, last = name.rpartition(".")
    for one in legal:
        there, _, words = one.rpartition(".")
        initials = "".join(word[:1] for word in re.split("[_-]", words))
        if (there, initials) == (section, last) and len(last) > 1:
            return one
    return next(iter(get_close_matches(name, legal, n=1, cutoff=0.4)), "")


@dataclass(frozen=True)
class Rejected:
    """One row, file or crystal that was left out of a batch of work, and why."""

    id: str
    reason: str


def summarise(rejected: Sequence[Rejected], n_shown: int = 10) -> str:
    """Return the first reasons, one a line, and how many more there are."""
    lines = [f"  {row.id}: {row.reason}" for row in rejected[:n_shown]]
    if len(rejected) > n_shown:
        lines.append(f"  … and {len(rejected) - n_shown} more")
    return "\n".join(lines)
