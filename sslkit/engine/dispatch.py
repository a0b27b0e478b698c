"""A look at every operation that torch runs."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


def watched(ran: Callable[..., Any]) -> AbstractContextManager[object]:
    """While the block runs, ``ran(mode, operation, types, given, named)`` stands for all of them.

    It runs the operation itself and gives what that gave.
    """
    mode: Any = type("_Mode", (TorchDispatchMode,), {})
    # A class that is made with it would load torch's compiler, 70 MiB, so as to be left out of it.
    mode.__torch_dispatch__ = ran
    found: AbstractContextManager[object] = mode()
    return found
