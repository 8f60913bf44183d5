"""A fast and strict YAML 1.2 reader: the door to PyYAML's libyaml."""

from reconciler.yaml12.document import Document, Fault, Reading
from reconciler.yaml12.file import MAX_BYTES, MAX_FAULTS, read
from reconciler.yaml12.reader import MAX_DEPTH, MAX_EXPANDED

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_EXPANDED", "MAX_FAULTS", "Document", "Fault", "Reading", "read"]
