"""YAML -> manifests and the estate's configuration, with file, line and column in every finding."""

from reconciler.load.estate import find_estate, load_estate
from reconciler.load.tree import load

__all__ = ["find_estate", "load", "load_estate"]
