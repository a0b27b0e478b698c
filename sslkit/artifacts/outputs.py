"""What is there already under the name of a table that a stage is to write."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sslkit.artifacts import parts
from sslkit.artifacts.manifest import Manifest, reading_results
from sslkit.artifacts.run import differences
from sslkit.console import Console
from sslkit.errors import DataError, UsageError

#: What changes the rounding of a finished table only, and is no reason to refuse it.
_ROUNDING = {"threads", "device"}


def identity(manifest: Manifest) -> dict[str, Any]:
    """All that decides the bytes of a table, from its manifest."""
    return {name: value for name, value in asdict(manifest).items() if name != "results"}


def report_finished(
    out: Path,
    expected: Manifest,
    read: Callable[[Path], Manifest],
    what: str,
    report: Callable[[Manifest], None],
    console: Console,
    *,
    force: bool,
    precision: str,
) -> bool:
    """Report a table that is finished already, and remove parts that a killed run left beside it.

    Args:
        expected: manifest of the table that would be written, without results.
        read: reads the manifest of such a table, which is called ``what``.
        report: shows the results of a manifest.
        force: overwrite the table, whatever it is.
        precision: of the options; with ``auto`` that of the table may differ.

    Returns:
        whether the table is finished.

    Raises:
        UsageError: ``out`` is something else, or was made with other settings.
        DataError: its results are damaged.
    """
    if force or not out.exists():
        return False
    ignored = _ROUNDING | ({"precision"} if precision == "auto" else set())
    _check_same(out, expected, read, what, ignored)
    console.say(f"{out} is finished: nothing to do")
    # What is finished may have been rounded in another way than this run would.
    parts.tidy(out, [identity(expected), identity(read(out))])
    with reading_results(out):
        report(read(out))
    return True


def _check_same(
    out: Path,
    expected: Manifest,
    read: Callable[[Path], Manifest],
    what: str,
    ignored: Collection[str],
) -> None:
    do = "write elsewhere with --out, or overwrite it with --force"
    try:
        existing = read(out)
    except DataError as error:
        raise UsageError(f"{out} is no table of {what}", why=str(error.why), do=do) from error

    def essence(manifest: Manifest) -> dict[str, Any]:
        return {
            "settings": {n: v for n, v in manifest.settings.items() if n not in ignored},
            "plugins": manifest.plugins,
            "inputs": {Path(entry.path).name: entry.sha256 for entry in manifest.inputs},
            "parents": manifest.parents,
        }

    if different := differences(essence(existing), essence(expected)):
        raise UsageError(f"{out} was made with other settings", why="; ".join(different), do=do)


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
