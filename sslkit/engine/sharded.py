"""A model whose weights, gradients and moments are dealt out to the processes (FSDP).

Each process holds one part of every tensor. A block's weights are put together when it is needed
and dropped behind it, and its gradients are summed where their part is held, with every
micro-batch: to sum them once a step, each process would have to keep all of them. Weights outside
of blocks stay together from the beginning of a pass to its end. Zhao et al. 2023,
https://arxiv.org/abs/2304.11277, in its second form, ``torch.distributed.fsdp.fully_shard``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from sslkit.errors import UsageError
from sslkit.modules import RowTable

_Tree = TypeVar("_Tree")


def shard(module: nn.Module, device: torch.device, size: int) -> None:
    """Deal the weights of ``module`` out to ``size`` processes, in place, as parts on ``device``.

    Its parameters are others afterwards: an optimizer is made of them later. What stands in a
    ``ModuleList`` is a block.

    Raises:
        UsageError: gradients are rows of a table, which cannot be dealt out.
    """
    modules = list(module.modules())
    if any(isinstance(each, RowTable) and each.sparse for each in modules):
        raise UsageError(
            "--parallel fsdp cannot deal out a table whose gradient holds single rows",
            do="use --parallel ddp, or --set algorithm=counted where the vocabulary allows it",
        )
    mesh = init_device_mesh(device.type, (size,))
    lists = [each for each in modules if isinstance(each, nn.ModuleList)]
    inner = {id(each) for outer in lists for block in outer for each in block.modules()}
    for blocks in lists:
        for block in blocks if id(blocks) not in inner else ():
            fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)


def whole(values: _Tree, *, keep: bool = True) -> _Tree:
    """Nested ``values`` with every dealt out tensor put together on the CPU; others as they are.

    Every process calls it where there is one. Processes that do not ``keep`` the result get
    empty tensors instead, and need no memory for it.
    """
    found: _Tree = _mapped(values, lambda tensor: _together(tensor, keep=keep))
    return found


@torch.no_grad()
def _together(tensor: DTensor, *, keep: bool) -> Tensor:
    full: Tensor = tensor.full_tensor()
    return full.cpu() if keep else full.new_empty(0)


def _mapped(values: Any, change: Any) -> Any:
    if isinstance(values, DTensor):
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
    if "state" not in held or not any(isinstance(each, DTensor) for each in own.values()):
        return held
    state = {
        number: {
            name: _part(value, own[number]) if isinstance(value, Tensor) and value.ndim else value
            for name, value in values.items()
        }
        for number, values in held["state"].items()
    }
    return held | {"state": state}


def _part(tensor: Tensor, own: Tensor | None) -> Tensor:
    if not isinstance(own, DTensor):
        return tensor
    if tensor.shape != own.shape:
        raise ValueError(f"a tensor is {tuple(tensor.shape)} and should be {tuple(own.shape)}")
    # Every process has read all of it: nothing is sent.
    there = tensor.to(own.device)
    return distribute_tensor(there, own.device_mesh, own.placements, src_data_rank=None)
