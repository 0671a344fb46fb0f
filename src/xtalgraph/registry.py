"""Things that are chosen by name, and that others may add to: formats, parts, networks, baselines.

One registry a kind of thing. Its names are legal in settings, on the command line and in the help
at once, because all of them ask the registry; no name is compared anywhere else. An entry is added
with `add` (as a decorator too), or by another package through an entry point of the registry's
group, which is loaded when a name is asked for that is missing, or when all are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from xtalgraph.errors import BadConfig, UnknownName

Entry = TypeVar("Entry")
Thing = TypeVar("Thing")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in the order in which they were added.

    >>> poolings: Registry[str] = Registry("pooling")
    >>> poolings.add("mean", "the mean of all atoms")
    'the mean of all atoms'
    >>> poolings["meen"]
    Traceback (most recent call last):
    xtalgraph.errors.UnknownName: unknown pooling 'meen'. Did you mean 'mean'? Legal: mean.
    """

    def __init__(
        self, kind: str, group: str = "", entry_type: Callable[..., Entry] | None = None
    ) -> None:
        self.kind, self.group = kind, group  # group: of entry points, such as `xtalgraph.networks`
        self.entry_type = entry_type  # what `adding` makes of what it decorates
        self._entries: dict[str, Entry] = {}
        self._is_complete = not group

    def add(self, name: str, entry: Entry) -> Entry:
        """Add an entry, and give it back; a name that is taken is refused."""
        if name in self._entries:
            raise BadConfig(f"there is a {self.kind} {name!r} already. Choose another name.")
        if not name or not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
            raise BadConfig(f"{name!r} is no name of a {self.kind}: use letters, digits, _ and -.")
        self._entries[name] = entry
        return entry

    def adding(
        self, name: str, make: Callable[[Thing], Entry] | None = None
    ) -> Callable[[Thing], Thing]:
        """Return a decorator that adds what it decorates under a name.

        `make` makes the entry of it: `@POOLINGS.adding("median", partial(Pooling, in_numpy=…))`.
        Without it the entry is of the registry's type and has no facts, or is what is decorated.
        """

        def add(thing: Thing) -> Thing:
            wrap = make or self.entry_type
            self.add(name, wrap(thing) if wrap else cast(Entry, thing))
            return thing

        return add

    def __getitem__(self, name: str) -> Entry:
        if name not in self._entries:
            self._complete()
        if name not in self._entries:
            raise UnknownName(self.kind, str(name), self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._entries:
            self._complete()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._complete()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        self._complete()
        return len(self._entries)

    def require(self, name: str) -> None:
        """Raise `UnknownName`, with the nearest legal name, where there is no such entry."""
        self[name]

    def _complete(self) -> None:
        """Load what other packages add; one that fails is an error that names its package."""
        if self._is_complete:
            return
        self._is_complete = True
        for point in entry_points(group=self.group):
            if point.name in self._entries:
                continue
            try:
                entry = point.load()
            except (ImportError, AttributeError) as error:
                source = point.dist.name if point.dist else point.value
                raise BadConfig(
                    f"the {self.kind} {point.name!r} of the package {source} cannot be loaded "
                    f"({error}). Reinstall or remove that package."
                ) from error
            if point.name in self._entries:  # by the module itself, while it was loaded
                continue
            if isinstance(self.entry_type, type) and not isinstance(entry, self.entry_type):
                raise BadConfig(
                    f"the {self.kind} {point.name!r} ({point.value}) is a {type(entry).__name__}; "
                    f"it must be a {self.entry_type.__name__}. Correct that package's entry point."
                )
            self.add(point.name, entry)
