"""One process or many under torchrun or srun; the same code either way."""

import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sslkit.contracts.encoder import Encoder, RowTable
from sslkit.engine import signals
from sslkit.errors import SslkitError, UsageError

_Batch = TypeVar("_Batch")

#: How processes share a model: each holds all of it, or a part.
PARALLEL = ("ddp", "fsdp")
#: PR_SET_PDEATHSIG of prctl(2).
_PARENT_DEATH = 1


@dataclass(frozen=True)
class World:
    """This process's number, how many there are, and how they share a model.

    Attributes:
        parallel: ``ddp`` where each holds all of it, ``fsdp`` where each holds a part.
    """

    rank: int = 0
    size: int = 1
    parallel: str = "ddp"

    @property
    def shards(self) -> bool:
        """Whether weights are dealt out."""
        return self.size > 1 and self.parallel == "fsdp"

    @property
    def is_main_process(self) -> bool:
        """True for the one process that writes files and messages."""
        return self.rank == 0

    def all_reduce(self, values: Mapping[str, float]) -> dict[str, float]:
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

    def barrier(self) -> None:
        """Return when all processes have come here.

        Raises:
            SslkitError: one of them has ended before.
        """
        if self.size == 1:
            return
        try:
            distributed.barrier()
        except RuntimeError as error:
            raise _ended(error) from error

    def passes(
        self, batches: Sequence[_Batch], spare: Sequence[_Batch] = ()
    ) -> Iterator[tuple[_Batch, float]]:
        """This process's batches, each with 1, how much it counts.

        A model that is dealt out is put together by all processes at once: there a process that
        has fewer batches than another goes through its last one again, or through ``spare``,
        which counts 0.
        """
        again: Sequence[_Batch] = ()
        if self.shards:
            most = torch.tensor(len(batches))
            distributed.all_reduce(most, distributed.ReduceOp.MAX)
            again = [*spare, *batches][-1:] * (int(most) - len(batches))
        yield from ((batch, 1.0) for batch in batches)
        yield from ((batch, 0.0) for batch in again)

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """``module`` on the device, with gradients averaged over the processes.

        Where weights are dealt out its parameters are others afterwards.

        Raises:
            UsageError: it has gradients that cannot be exchanged, or norms that look at all rows
                of a micro-batch.
        """
        lone = any(isinstance(part, Encoder) and part.across_rows for part in module.modules())
        if lone and self.size > 1:
            raise UsageError(
                "norm=batch does not go with several processes",
                why="each would have statistics of its own, and a checkpoint holds those of one",
                do="use --set norm=group, norm=rms or norm=layer, or one process",
            )
        if self.shards:
            importlib.import_module("sslkit.engine.fsdp").shard(module, device, self.size)
            return module
        module.to(device)
        if self.size == 1:
            return module
        cuda = device.type == "cuda"
        if cuda and any(isinstance(each, RowTable) and each.sparse for each in module.modules()):
            raise UsageError(
                "several GPUs cannot exchange gradients that hold single rows of a table",
                do="use one process, --device cpu, or --set algorithm=counted",
            )
        return DistributedDataParallel(module, device_ids=[device] if cuda else None)


#: One process, as without torchrun.
ALONE = World()


def _ended(error: RuntimeError) -> SslkitError:
    why = str(error).splitlines()[0]
    return SslkitError("another process has ended", why=why, do="see what that one said")


def _is_lost(error: RuntimeError) -> bool:
    """Whether another process did not answer; gloo has no class of errors for it."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)


def _end_with_launcher() -> None:
    """Be told to stop when torchrun dies, as of a SIGUSR1; its processes would work on alone."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
    if prctl is not None and "TORCHELASTIC_RUN_ID" in os.environ:
        prctl(_PARENT_DEATH, signal.SIGTERM)


def number(name: str, default: int | None = None, *, least: int = 0) -> int:
    """A number that torchrun or srun gives by a variable of the environment.

    Raises:
        UsageError: it is no such number, or not there and has no ``default``.
    """
    text = os.environ.get(name, "")
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdecimal() and least <= int(text) < 2**31):
        raise UsageError(
            f"{name}={text} is no number of at least {least}" if text else f"{name} is not set",
            do="start processes with torchrun, or unset the variables that it sets",
        )
    return int(text)


def _check_meeting(size: int) -> None:
    """Refuse variables by which processes cannot meet.

    Raises:
        UsageError: one of them is missing or makes no sense.
    """
    rank, port = number("RANK"), number("MASTER_PORT", least=1)
    why = ""
    if rank >= size:
        why = f"RANK={rank}, of WORLD_SIZE={size} processes"
    elif port >= 2**16:
        why = f"MASTER_PORT={port}"
    elif not os.environ.get("MASTER_ADDR"):
        why = "MASTER_ADDR is not set"
    if why:
        raise UsageError(
            "the processes cannot meet",
            why=why,
            do="start processes with torchrun, or unset the variables that it sets",
        )


@contextmanager
def world(parallel: str = "ddp") -> Iterator[World]:
    """Join the processes that torchrun or srun started, or stand alone.

    Raises:
        SslkitError: the processes do not meet, or another one has ended before this one had done
            its work.
        UsageError: there is no such way to share a model, or the variables of the environment
            by which processes meet make no sense.
    """
    if parallel not in PARALLEL:
        raise UsageError(f"--parallel is {' or '.join(PARALLEL)}, not {parallel!r}")
    size = number("WORLD_SIZE", 1, least=1)
    if size == 1:
        yield ALONE
        return
    _check_meeting(size)
    _end_with_launcher()
    # Counts and flags are summed on the CPU, also where gradients travel between GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    # It waits until all are there.
    try:
        with signals.leaving():
            distributed.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        why = str(error).partition("\n")[0]
        do = "see what the other processes said, and whether MASTER_ADDR can be reached"
        raise SslkitError("the processes did not meet", why=why, do=do) from error
    try:
        yield World(distributed.get_rank(), size, parallel)
    except RuntimeError as error:
        if _is_lost(error):
            raise _ended(error) from error
        raise
    finally:
        distributed.destroy_process_group()
