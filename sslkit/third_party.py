"""Plug-ins that other packages bring by entry points: a broken one must not break the rest."""

import sys
import types
import warnings
from importlib.metadata import EntryPoint, entry_points

from sslkit import conformance
from sslkit.errors import RequeueError, UsageError


class PluginWarning(UserWarning):
    """A plug-in of another package is left out."""


def warn(text: str) -> None:
    """Say that a plug-in is left out, once in a process."""
    warnings.warn(text, PluginWarning, stacklevel=1)


def points(room: str) -> list[EntryPoint]:
    """What other packages bring for a folder of plug-ins, as ``domains``, sorted by name."""
    return sorted(entry_points(group=f"sslkit.{room}"), key=lambda p: (p.name, p.value))


def load(kind: str, point: EntryPoint) -> types.ModuleType:
    """The module, or another object that holds the same names, that an entry point speaks of.

    Raises:
        UsageError: it cannot be imported, or breaks its contract.
    """
    try:
        plugin = point.load()
    except RequeueError:
        raise
    # Whatever somebody else's package does when it is imported, exiting included.
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
    else:
        # The class may be named, and not the module that it stands in.
        around = [sys.modules[point.module]] if isinstance(plugin, type) else []
        for candidate in (plugin, *around):
            if not (why := conformance.breach(kind, point.name, candidate)):
                keeping: types.ModuleType = candidate
                return keeping
    raise UsageError(
        f"{title(kind, point)} cannot be used",
        where=point.value,
        why=why,
        do="update that package, or uninstall it; sslkit doctor lists all such",
    )


def title(kind: str, point: EntryPoint) -> str:
    """A plug-in and the package that it comes from, as text."""
    package = point.dist.name if point.dist is not None else point.module.partition(".")[0]
    return f"{kind} {point.name} of package {package}"
