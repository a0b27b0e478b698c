"""Where the process begins: it may have to begin anew before anything is loaded."""

import importlib
import sys

from sslkit.machine import interrupts

#: Commands that work with tensors.
_LEARNING = {"plan", "pretrain", "embed", "score", "finetune", "probe", "retrieve"}


def main() -> None:
    """Entry point of the ``sslkit`` command."""
    # First, and all else later: importing takes time.
    interrupts.leave_at_once()
    importlib.import_module("sslkit.machine.streams").settle()
    if sys.argv[1:2] and sys.argv[1] in _LEARNING:
        allocator = importlib.import_module("sslkit.machine.allocator")
        with interrupts.held_back():
            allocator.begin_anew()
    code = importlib.import_module("sslkit.cli.process").run()
    interrupts.ignore()
    sys.exit(code)


if __name__ == "__main__":
    main()
