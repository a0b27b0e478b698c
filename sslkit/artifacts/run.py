"""A run's folder: who it belongs to, and how far it has come."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sslkit.artifacts import outline
from sslkit.artifacts.content import by_content
from sslkit.artifacts.kinds import RUN
from sslkit.errors import DataError, ResourceError, UsageError
from sslkit.files import atomic, lock

_STATE = "state.pt"
_LOCK = "lock"
#: What shapes the rounding of a run, of every part of it: no reason to refuse to go on.
_ROUNDING = "rounding"


@dataclass(frozen=True)
class RunFolder:
    """The files of one training run."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The finished model."""
        return self.path / outline.NAME

    @property
    def state(self) -> Path:
        """All that is needed to go on with an unfinished run."""
        return self.path / _STATE

    @property
    def samples(self) -> Path:
        """Folder of the weights that were kept on the way (see ``artifacts.samples``)."""
        return self.path / "samples"

    @property
    def picture(self) -> Path:
        """What a schedule that looks at the run measured and did."""
        return self.path / "schedule.png"

    @property
    def metrics(self) -> Path:
        """One JSON object a step; equal runs write equal files."""
        return self.path / "metrics.jsonl"

    @property
    def log(self) -> Path:
        """Clock, host and speed: what differs between equal runs."""
        return self.path / "log.jsonl"

    @property
    def config(self) -> Path:
        """The resolved options; ``--config`` runs them again."""
        return self.path / "config.toml"

    def identity(self) -> dict[str, Any]:
        """What decides the result of the run in the folder; empty where there is none.

        Raises:
            DataError: the file that says it is damaged.
        """
        path = self.path / RUN
        if not path.is_file():
            return {}
        try:
            held = json.loads(path.read_bytes())
            if not isinstance(held, dict):
                raise TypeError("it is no JSON object")
            if not all(map(_is_rounding, held.get(_ROUNDING, []))):
                raise ValueError(f"its {_ROUNDING} is damaged")
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise DataError(
                "a run's folder cannot be read",
                where=str(path),
                why=str(error),
                do="choose another folder with --out, or remove this one",
            ) from error
        return held

    def settled(self, name: str, asked: str) -> str:
        """A setting, which for ``auto`` stays what it came to when the run was begun."""
        return str(self.identity().get(name, asked)) if asked == "auto" else asked

    def threads(self, given: int | None, *, force: bool) -> int | None:
        """The threads to run with: where none are given, those of the unfinished run."""
        if given is None and self.state.is_file() and not force:
            begun = self.identity().get(_ROUNDING, [])
            return int(begun[-1]["threads"]) if begun else None
        return given

    def note(self, rounding: Mapping[str, Any]) -> list[str]:
        """Keep what shapes the rounding of the run from here on.

        Returns:
            in what it differs from what the run was begun or last continued with, one phrase each.
        """
        identity = self.identity()
        parts = identity.get(_ROUNDING, [])
        if parts and parts[-1] == dict(rounding):
            return []
        identity[_ROUNDING] = [*parts, dict(rounding)]
        self._write(identity)
        return differences(parts[-1], rounding) if parts else []

    def roundings(self) -> dict[str, Any]:
        """For a manifest: what shaped the rounding of each part of a run that changed it."""
        parts = self.identity().get(_ROUNDING, [])
        return {_ROUNDING: parts} if len(parts) > 1 else {}

    @contextmanager
    def alone(self, warn: Callable[[str], None], *, force: bool = False) -> Iterator[None]:
        """Keep other processes from the folder while the block runs; the system does so.

        A finished run, in which nothing is written unless by force, is open to all. A folder that
        was not there and in which nothing was written is not there afterwards.

        Args:
            warn: is told where the file system knows no locks.

        Raises:
            ResourceError: another process works in the folder.
        """
        if self.checkpoint.is_file() and not force:
            yield
            return
        do = "wait for it, or choose another folder with --out"
        was_there = self.path.exists()
        try:
            with lock.holding(self.path / _LOCK, f"works in {self.path}", do) as knows:
                if not knows:
                    warn(
                        f"the file system of {self.path} knows no locks: "
                        "do not start a second run there"
                    )
                yield
        finally:
            if not was_there:
                with suppress(OSError):
                    self.path.rmdir()

    def claim(
        self, identity: Mapping[str, Any], config: str, *, force: bool
    ) -> Literal["new", "unfinished", "finished"]:
        """Make the folder this run's own, or find out that it is already.

        Args:
            identity: all that decides the result. A run of another identity is refused, unless
                it has left nothing that it could continue from.
            config: the resolved options as TOML.
            force: begin anew where another run, or a finished one, is there. This run, begun
                with the same settings, continues: a job that is requeued repeats its flags.

        Raises:
            UsageError: the folder holds a run of another identity; the message names it.
            DataError: the file that says whose run it is is damaged.
        """
        mine = json.loads(json.dumps(identity))
        if held := self.identity():
            found = differences(_decisive(held), _decisive(mine))
            if found and not force and (self.state.is_file() or self.checkpoint.is_file()):
                raise UsageError(
                    f"{self.path} holds another run",
                    why="; ".join(found),
                    do="choose another folder with --out, or begin anew with --force",
                )
            if self.checkpoint.is_file() and not force:
                self._tidy()
                return "finished"
            if not found and not self.checkpoint.is_file():
                if not self.config.is_file():
                    atomic.write_text(self.config, config)
                return "unfinished"
        elif self.checkpoint.is_file():
            raise UsageError(
                f"{self.checkpoint} is there, and nothing says which run made it",
                do="choose another folder with --out",
            )
        # All that would be taken for this run's, were it killed here.
        files = self.checkpoint, self.state, self.metrics, self.log, self.picture, self.config
        for old in (*files, *self.samples.glob("[0-9]" * 8 + ".pt")):
            old.unlink(missing_ok=True)
        with suppress(OSError):
            self.samples.rmdir()
        # First of all what says whose the folder is.
        self._write(mine)
        atomic.write_text(self.config, config)
        return "new"

    def _write(self, identity: Mapping[str, Any]) -> None:
        text = json.dumps(identity, indent=1, sort_keys=True) + "\n"
        atomic.write_text(self.path / RUN, text)

    def clear(self) -> None:
        """Remove what only an unfinished run needs, and what killed processes were writing."""
        self.state.unlink(missing_ok=True)
        for folder in (self.path, self.samples):
            atomic.sweep_folder(folder)

    def _tidy(self) -> None:
        """Clear the folder of a finished run that was killed after its last step.

        A folder in which a process works, or that cannot be written, stays as it is.
        """
        own = self.path / _LOCK
        if own.exists() or self.state.exists():
            with suppress(ResourceError, OSError), lock.holding(own, "works here", "wait for it"):
                self.clear()


def _decisive(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result, wherever the files lie."""
    return by_content({name: value for name, value in identity.items() if name != _ROUNDING})


def _is_rounding(entry: Any) -> bool:
    """Whether it says with how many threads a part of a run was computed."""
    threads = entry.get("threads") if isinstance(entry, dict) else None
    return type(threads) is int and threads > 0


def differences(held: Mapping[str, Any], mine: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two nested settings, one phrase each."""
    found: list[str] = []
    for name in sorted({*held, *mine}):
        old, new = held.get(name), mine.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name} was {_short(old)} and is {_short(new)}")
    return found


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def to_toml(stage: str, values: Mapping[str, Any]) -> str:
    """Options as a TOML table; None is left out, since TOML has no word for it."""
    # JSON's strings, numbers, booleans and lists of strings are TOML as they stand.
    given = {name: _plain(value) for name, value in values.items() if value is not None}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in given.items()]
    return "\n".join([f"[{stage}]", *lines]) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
