"""Tensors of which each process holds a part, put together and cut: states are written whole.

How they come to be dealt out says ``engine.fsdp``, which is loaded only then.

Not torch.distributed.checkpoint.state_dict: it names the moments of a parameter by the parameter,
where optimizers number them, so that runs of one process would have to save through it as well for
a state to go on in any number of processes. Loading it takes 0.85 s and 47 MiB.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

_Tree = TypeVar("_Tree")
_DEALT = "torch.distributed.tensor"


def is_dealt_out(value: object) -> bool:
    """Whether a value is a DTensor; its module takes 40 MiB and half a second to load."""
    return isinstance(value, Tensor) and type(value).__module__.startswith(_DEALT)


def whole(values: _Tree, *, keep: bool = True) -> _Tree:
    """Nested ``values`` with every dealt out tensor put together on the CPU; others as they are.

    Every process calls it where there is one. Processes that do not ``keep`` the result get
    empty tensors instead, and need no memory for it.
    """
    found: _Tree = _mapped(values, lambda tensor: _together(tensor, keep=keep))
    return found


@torch.no_grad()
def _together(tensor: Any, *, keep: bool) -> Tensor:
    full: Tensor = tensor.full_tensor()
    return full.cpu() if keep else full.new_empty(0)


def _mapped(values: Any, change: Any) -> Any:
    if is_dealt_out(values):
        return change(values)
    if isinstance(values, dict):
        return {name: _mapped(value, change) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(_mapped(value, change) for value in values)
    return values


def cut(held: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors by name, each dealt out as the one of that name in ``own`` is."""
    return {name: _part(tensor, own.get(name)) for name, tensor in held.items()}


def cut_moments(held: dict[str, Any], groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The state of an optimizer of whole parameters for one of the parameters in ``groups``."""
    own = dict(enumerate(p for group in groups for p in group.get("params", ())))
    if "state" not in held or not any(map(is_dealt_out, own.values())):
        return held
    state = {
        number: {
            name: _part(value, own[number]) if isinstance(value, Tensor) and value.ndim else value
            for name, value in values.items()
        }
        for number, values in held["state"].items()
    }
    return held | {"state": state}


def _part(tensor: Tensor, own: Any) -> Tensor:
    if not is_dealt_out(own):
        return tensor
    if tensor.shape != own.shape:
        raise ValueError(f"a tensor is {tuple(tensor.shape)} and should be {tuple(own.shape)}")
    # Every process has read all of it: nothing is sent.
    there = tensor.to(own.device)
    found: Tensor = importlib.import_module(_DEALT).distribute_tensor(
        there, own.device_mesh, own.placements, src_data_rank=None
    )
    return found
