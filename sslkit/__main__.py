"""Where the process begins: it may have to begin anew before anything is loaded."""

import importlib
import sys

from sslkit import allocator, streams

#: Commands that work with tensors.
_LEARNING = {"plan", "pretrain", "embed", "score", "finetune", "probe", "retrieve"}


def main() -> None:
    """Entry point of the ``sslkit`` command."""
    streams.settle()
    if sys.argv[1:2] and sys.argv[1] in _LEARNING:
        allocator.begin_anew()
    sys.exit(importlib.import_module("sslkit.cli.process").run())


if __name__ == "__main__":
    main()
