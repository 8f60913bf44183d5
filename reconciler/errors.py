"""The error tree. Every error says what was refused, the fact, and the remedy.

IdacError
├── InvalidInput        manifests or configuration are wrong (exit 1)
├── Refused             a rule, guard, ownership mark or hold forbids it (exit 3)
├── Stale               the plan is no longer true (exit 4)
├── LedgerError         a record or journal does not verify or cannot be written (exit 1)
├── CryptoError         a CSR, certificate, CRL or OCSP answer is not what it must be (exit 1)
└── TargetError         a target system did not do what was asked (exit 1, or 5 half-way)
    ├── Unreachable     no answer, a time-out, or sealed
    ├── Denied          the login may not do this (403), or it has expired
    ├── Overloaded      429 or 5xx after the allowed tries
    └── Rejected        the request was refused as malformed or conflicting (4xx), or answered with warnings
"""

from __future__ import annotations

from typing import ClassVar


class IdacError(Exception):
    """Root of all errors that are meant for people."""

    code: ClassVar[str] = "E000"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} — {self.remedy}" if self.remedy else self.message


class InvalidInput(IdacError):
    """Manifests, configuration or a plan file are wrong; `findings` holds every fault found."""

    code = "E100"

    def __init__(self, message: str, *, remedy: str = "", findings: tuple[object, ...] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.findings = findings


class Refused(IdacError):
    """A rule, guard, ownership mark, hold or missing approval forbids it."""

    code = "E300"
    exit_code = 3


class Stale(IdacError):
    """The reviewed plan is expired, already used, or no longer what would happen."""

    code = "E400"
    exit_code = 4


class LedgerError(IdacError):
    """A record or journal cannot be written, or does not verify."""

    code = "E500"


class CryptoError(IdacError):
    """A CSR, certificate, CRL or OCSP answer is not what it must be."""

    code = "E600"


class TargetError(IdacError):
    """A target system did not do what was asked. Never carries a request body or a token."""

    code = "E700"


class Unreachable(TargetError):
    """No answer, a time-out, or a sealed server."""

    code = "E701"


class Denied(TargetError):
    """The login may not do this (403), or it has expired."""

    code = "E702"


class Overloaded(TargetError):
    """429 or 5xx after the allowed tries."""

    code = "E703"


class Rejected(TargetError):
    """The request was refused as malformed or conflicting (4xx), or was answered with warnings."""

    code = "E704"
