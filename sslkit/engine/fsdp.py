"""A model whose weights, gradients and moments are dealt out to the processes (FSDP).

Each process holds one part of every tensor. A block's weights are put together when it is needed
and dropped behind it, and its gradients are summed where their part is held, with every
micro-batch: to sum them once a step, each process would have to keep all of them. Weights outside
of blocks stay together from the beginning of a pass to its end. Zhao et al. 2023,
https://arxiv.org/abs/2304.11277, in its second form, ``torch.distributed.fsdp.fully_shard``.
"""

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from sslkit.contracts.encoder import RowTable
from sslkit.errors import UsageError


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
