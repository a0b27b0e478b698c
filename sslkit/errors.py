"""Errors that a user can act on: what happened, where, why, and what to do next."""

from typing import Literal, TypeAlias

#: What a bad record does: stop the run, or be skipped and counted.
OnError: TypeAlias = Literal["stop", "skip"]


class SslkitError(Exception):
    """A failure that is explained to the user instead of shown as a traceback.

    Args:
        what: what went wrong, one sentence without a full stop.
        where: file and record, as ``corpus/a.fa, record 12 (chr2)``.
        why: the cause, where it is known.
        do: what the user can do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.do = do

    def __str__(self) -> str:
        parts = [self.what]
        parts += [f"  {name}: {text}" for name, text in self.details()]
        return "\n".join(parts)

    def details(self) -> list[tuple[str, str]]:
        """The named parts that are present, in reading order."""
        named = [("where", self.where), ("why", self.why), ("do", self.do)]
        return [(name, text) for name, text in named if text]

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling between processes.
        return _rebuild, (type(self), self.what, self.where, self.why, self.do)


def _rebuild(kind: type[SslkitError], what: str, where: str, why: str, do: str) -> SslkitError:
    return kind(what, where=where, why=why, do=do)


class UsageError(SslkitError):
    """The command line asks for something that does not exist or does not fit."""

    exit_code = 2


class DataError(SslkitError):
    """A file holds something that cannot be used."""

    exit_code = 3


class EmptyFileError(DataError):
    """A file holds nothing at all: where bad records are skipped, it is passed over."""


class WideTextError(EmptyFileError):
    """A file is text in UTF-16 or UTF-32: to those who read UTF-8 it holds nothing."""


class ResourceError(SslkitError):
    """Memory, disk or another resource is not enough for the work as asked."""

    exit_code = 4


class RequeueError(SslkitError):
    """The work was checkpointed on request; the same command line continues it."""

    exit_code = 75
