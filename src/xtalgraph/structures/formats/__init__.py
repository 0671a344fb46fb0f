"""The formats of structure files: a registry, and a file for each format."""

from xtalgraph.structures.formats.registry import FORMATS, Format

__all__ = ["FORMATS", "Format"]
