"""One process or many under torchrun; the same code either way."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sslkit.errors import SslkitError, UsageError
from sslkit.modules import Encoder


@dataclass(frozen=True)
class World:
    """This process's number and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """True for the one process that writes files and messages."""
        return self.rank == 0

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """The values summed over all processes; every process gives the same names."""
        if self.size == 1:
            return dict(values)
        total = torch.tensor(list(values.values()), dtype=torch.float64)
        distributed.all_reduce(total)
        return dict(zip(values, total.tolist(), strict=True))

    def share(self, rows: int, flag: str) -> None:
        """Check that every process has a part in a step of so many rows.

        Raises:
            UsageError: there are fewer rows than processes; ``flag`` says how to have more.
        """
        if rows < self.size:
            raise UsageError(
                f"{self.size} processes cannot share the {rows} rows of a step",
                do=f"use a larger {flag}, or fewer processes",
            )

    def wait(self) -> None:
        """Return when all processes have come here.

        Raises:
            SslkitError: one of them has ended before.
        """
        if self.size == 1:
            return
        try:
            distributed.barrier()
        except RuntimeError as error:
            why = str(error).splitlines()[0]
            raise SslkitError(
                "another process has ended", why=why, do="see what that one said"
            ) from error

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """``module`` with gradients averaged over the processes.

        Raises:
            UsageError: there are several, and norms in it look at all rows of a micro-batch.
        """
        if self.size == 1:
            return module
        if any(isinstance(part, Encoder) and part.across_rows for part in module.modules()):
            raise UsageError(
                "norm=batch does not go with several processes",
                why="each would have statistics of its own, and a checkpoint holds those of one",
                do="use --set norm=group, norm=rms or norm=layer, or one process",
            )
        ids = [device] if device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids)


#: One process, as without torchrun.
ALONE = World()


@contextmanager
def world() -> Iterator[World]:
    """Join the processes that torchrun started, or stand alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    # Counts and flags are summed on the CPU, also where gradients travel between GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend)
    try:
        yield World(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
