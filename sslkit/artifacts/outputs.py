"""What is there already under the name of a table that a stage is to write."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sslkit.artifacts import parts
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.run import differences
from sslkit.errors import DataError, UsageError

#: What changes the rounding of a finished table only, and is no reason to refuse it.
_ROUNDING = {"threads", "device"}


def identity(made: Manifest) -> dict[str, Any]:
    """All that decides the bytes of a table, from its manifest."""
    return {name: value for name, value in asdict(made).items() if name != "results"}


def is_finished(
    out: Path,
    made: Manifest,
    read: Callable[[Path], Manifest],
    what: str,
    ignored: Collection[str] = (),
) -> bool:
    """Whether ``out`` is there already.

    Args:
        read: reads the manifest of such a table, which is called ``what``.
        ignored: settings that may differ.

    Raises:
        UsageError: it is something else, or was made with other settings.
    """
    if not out.exists():
        return False
    do = "write elsewhere with --out, or overwrite it with --force"
    try:
        held = read(out)
    except DataError as error:
        raise UsageError(f"{out} is no table of {what}", why=str(error.why), do=do) from error

    def essence(of: Manifest) -> dict[str, Any]:
        return {
            "settings": {
                n: v for n, v in of.settings.items() if n not in _ROUNDING and n not in ignored
            },
            "plugins": of.plugins,
            "inputs": {Path(one.path).name: one.sha256 for one in of.inputs},
            "parents": of.parents,
        }

    if found := differences(essence(held), essence(made)):
        raise UsageError(f"{out} was made with other settings", why="; ".join(found), do=do)
    return True


def settled(out: Path, precision: str, threads: int | None, force: bool) -> tuple[str, int | None]:
    """Precision and threads of a table: of an unfinished one those that it was begun with.

    Where none are asked for, that is: ``auto`` times the machine, and threads are its own, and a
    run that goes on elsewhere must not change its mind.
    """
    begun = None if force else parts.held_identity(out)
    settings = (begun or {}).get("settings")
    if not isinstance(settings, Mapping):
        return precision, threads
    known, count = settings.get("precision"), settings.get("threads")
    return (
        known if precision == "auto" and isinstance(known, str) else precision,
        count if threads is None and type(count) is int and count > 0 else threads,
    )


def tidy(out: Path, made: Manifest, read: Callable[[Path], Manifest]) -> None:
    """Remove parts that a run left which was killed after its last step.

    Args:
        made: what this run would write; what is written may have been rounded in another way.
        read: reads the manifest of the table.
    """
    parts.tidy(out, [identity(made), identity(read(out))])
