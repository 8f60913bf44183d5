"""How serials and PEM texts are written, so that no two rooms write them differently."""

from __future__ import annotations


def colons(serial: int) -> str:
    """A serial number as the PKI engine prints it: two hex digits an octet, without DER's sign octet."""
    text = f"{serial:x}"
    text = text.zfill(len(text) + len(text) % 2)
    return ":".join(text[i : i + 2] for i in range(0, len(text), 2))


def join_pem(*pems: str) -> str:
    """PEM texts one after the other, each ending in exactly one newline."""
    joined = "".join(f"{pem.strip()}\n" for pem in pems)
    return pems[0] if pems[0] == joined else joined  # ten thousand CSRs need not be in memory twice
