"""The run of a stage with the options of its command: messages, signals, an exit code."""

import errno
import importlib
import math
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from sslkit.cli.config import CONFIG_SET
from sslkit.cli.options import unread
from sslkit.console import Console
from sslkit.engine.signals import stopping
from sslkit.errors import ResourceError, SslkitError
from sslkit.escapes import visible
from sslkit.files import longest, pipes
from sslkit.machine import sizes
from sslkit.machine.processor import prefer_fast_sort, spin_briefly
from sslkit.third_party import PluginWarning

_MAX_RECORD = "512M"
#: Options that the command line itself uses up.
_OWN = {"config", "json", "quiet"}
#: Of 64 bits.
_LARGEST = 2**63 - 1


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether a flag, a variable or a configuration file says what an option is."""
    where = context.get_parameter_source(name)
    return where is not None and where.name != "DEFAULT"


@contextmanager
def _told(console: Console) -> Iterator[None]:
    """Warnings about plug-ins as messages; those of libraries as Python shows them."""
    with warnings.catch_warnings():
        usual: Callable[..., None] = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, PluginWarning):
                console.warn(str(message))
            else:
                usual(visible(str(message), "\n"), category, *where, **more)

        vars(warnings)["showwarning"] = show
        yield


def _check(values: Mapping[str, Any]) -> None:
    """Refuse numbers that no option means and the parser lets through.

    Raises:
        BadParameter: one that is not a number, or that no library can hold.
    """
    for name, value in values.items():
        is_beyond = isinstance(value, int) and value > _LARGEST
        if is_beyond or (isinstance(value, float) and math.isnan(value)):
            raise typer.BadParameter(f"--{name.replace('_', '-')} cannot be {value}")


def execute(context: typer.Context, stage: str, *, sorts: bool) -> None:
    """Run a module of ``stages`` with the options of ``context``; end with its exit code.

    The stage's ``Options`` has a field for each option of the command.

    Args:
        sorts: whether the work is sorting, which NumPy has to be told of before its import.
    """
    if sorts:
        prefer_fast_sort()
    values: dict[str, Any] = {k: v for k, v in context.params.items() if k not in _OWN}
    given = context.meta.get(CONFIG_SET, []) + list(values.get("set") or [])
    if "set" in values:
        values["set"] = tuple(given)
    _check(values)
    console = Console(
        quiet=bool(context.params.get("quiet")), as_json=bool(context.params.get("json"))
    )
    spin_briefly()
    if os.environ.get("RANK", "0") == "0":
        for sentence in unread(context):
            console.warn(sentence)
    try:
        module = importlib.import_module(f"sslkit.stages.{stage}")
        if hasattr(module.Options, "given"):
            values["given"] = frozenset(name for name in values if _is_given(context, name))
        # Until the stage's own work begins, which keeps what is done of it.
        with (
            _told(console),
            stopping() as stop,
            stop.at_once("nothing of it is kept"),
            pipes.keeping(),
            longest.allowing(sizes.parse(values.get("max_record", _MAX_RECORD))),
        ):
            module.run(module.Options(**values), console)
    except SslkitError as error:
        console.fail(error)
        raise typer.Exit(error.exit_code) from error
    except MemoryError as error:
        console.fail(SslkitError("out of memory", do="use smaller batches, or a smaller --mem"))
        raise typer.Exit(4) from error
    except KeyboardInterrupt as error:
        # The second one; what was kept before is there.
        raise typer.Exit(128 + signal.SIGINT) from error
    except ConnectionError as error:
        # Standard streams do not raise it, see ``streams``.
        console.fail(SslkitError("the connection to another process was lost", why=str(error)))
        raise typer.Exit(SslkitError.exit_code) from error
    except OSError as error:
        # Such as a log file on the same disk: whatever was being said is lost.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            raise
        console.fail(
            ResourceError("a file cannot be written", why=str(error), do="free some space")
        )
        raise typer.Exit(ResourceError.exit_code) from error
