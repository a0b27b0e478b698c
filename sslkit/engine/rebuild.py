"""An encoder rebuilt from a checkpoint, after its description was held against its tensors.

A damaged or foreign description can ask for a model of any size. It is built first on torch's
device ``meta``, where tensors have shapes and no memory, and given up as soon as it has more
parameters than the file has tensors.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from sslkit.errors import DataError, UsageError

M = TypeVar("M", bound=nn.Module)
_SHOWN_NAMES, _SPARE = 3, 64
#: What constructors raise for settings that make no sense.
_REFUSALS = (
    ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, AssertionError,
    AttributeError, MemoryError,
)  # fmt: skip


def rebuild(build: Callable[[], M], tensors: Mapping[str, Tensor], where: str) -> M:
    """A module with the given tensors.

    Args:
        build: makes the module with any weights.
        tensors: its ``state_dict``.
        where: the file, for messages.

    Raises:
        DataError: the module is not one of these tensors.
    """
    with refused(where), _bounded(tensors):
        _compare(build, tensors)
        module = build()
        module.load_state_dict(tensors)
    return module


def _compare(build: Callable[[], nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors of other names or shapes than a module's, without memory for them."""
    try:
        with torch.device("meta"):
            shapes = {name: t.shape for name, t in build().state_dict().items()}
    except (RuntimeError, NotImplementedError):
        return  # It computes with numbers where it is built, or would fail anywhere.
    unlike = {name for name in {*shapes, *tensors} if name not in shapes or name not in tensors}
    unlike |= {n for n in {*shapes} - unlike if shapes[n] != tensors[n].shape}
    if unlike:
        raise ValueError(f"its tensors are others: {', '.join(sorted(unlike)[:_SHOWN_NAMES])}")


@contextmanager
def refused(where: str) -> Iterator[None]:
    """Turn what a constructor raises into a refusal of the file that asked for it.

    Raises:
        DataError: the block failed.
    """
    try:
        yield
    except UsageError as error:
        raise DataError(error.what, where=where, why=error.why, do=error.do) from error
    except _REFUSALS as error:
        raise DataError(
            "an artifact does not fit its own description",
            where=where,
            why=str(error).partition("\n")[0] or type(error).__name__,
            do="it is damaged, or was changed: make it again",
        ) from error


@contextmanager
def _bounded(tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Stop the construction of a module that has more or larger parameters than the tensors."""
    # A module that is made in passing may have parameters that are not kept; the two
    # constructions of ``rebuild`` count both, on ``meta`` without numbers.
    left = 4 * len(tensors) + _SPARE
    numbers = 2 * sum(tensor.numel() for tensor in tensors.values()) + _SPARE

    def register(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal left, numbers
        del module, name
        left -= 1
        numbers -= 0 if parameter.is_meta else parameter.numel()
        if left < 0 or numbers < 0:
            raise ValueError(f"its settings ask for more than its {len(tensors)} tensors")

    handle = register_module_parameter_registration_hook(register)
    try:
        yield
    finally:
        handle.remove()
