"""Where and how precisely the work runs: device, threads, number format, allocator."""

import os
import re
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from sslkit.engine import distributed
from sslkit.engine.distributed import ALONE, World
from sslkit.errors import UsageError
from sslkit.machine import allocator
from sslkit.options import thread_count

# The type stubs of torch do not know them.
_FILL = "fill_uninitialized_memory"
_MATMUL = "matmul"
_PROBE_SIZE = 512
_PROBE_ROUNDS = 5
_NUMBER = re.compile("[0-9]{1,4}")
#: What products are tried with: rows, inner, columns.
_PRODUCTS = ((8, 32, 16), (512, 256, 256), (64, 1024, 256))
#: Products of float32 stay below it, rounded to bfloat16 they are far above.
_EXACT = 1e-5


@dataclass(frozen=True)
class Runtime:
    """A device and the number format of matrix products on it.

    Attributes:
        precision: ``bf16`` (autocast, parameters stay float32), ``fp32`` or ``fp64``.
    """

    device: torch.device
    precision: str
    threads: int

    @property
    def dtype(self) -> torch.dtype:
        """The type of parameters."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a model is called."""
        if self.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def describe(self) -> dict[str, str | int]:
        """What shapes the rounding of results, for a manifest."""
        return {
            "device": self.device.type,
            "precision": self.precision,
            "threads": self.threads,
        }

    def bytes_depend_on(self, seed: int | None = None) -> str:
        """What besides inputs and settings decides the bytes of results, for people."""
        parts = {} if seed is None else {"seed": seed}
        words = {**parts, "threads": self.threads, "device": self.device.type}
        words |= {"precision": self.precision, "torch": torch.__version__}
        return "bytes depend on: " + ", ".join(f"{name} {word}" for name, word in words.items())


def prepare(
    device: str,
    threads: int | None,
    precision: str = "auto",
    world: World = ALONE,
    *,
    double: bool = False,
) -> Runtime:
    """Choose a device and settle everything that must be settled before the first tensor.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: None for what the process may use.
        precision: ``bf16``, ``fp32``, ``fp64`` or ``auto``, which times one small product in the
            first two: the processor's own word for what it can do is not always true.
        world: the processes that work together, in one precision.
        double: whether the work can be done in ``fp64``.

    Raises:
        UsageError: the device or the precision is not there.
    """
    chosen = _device(device)
    count = thread_count(threads)
    torch.set_num_threads(count)
    # Equal runs give equal bytes; CUDA needs this variable before its first matrix product.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As use_deterministic_algorithms(True, warn_only=True), but torch's compiler is not loaded.
    torch.set_deterministic_debug_mode("warn")
    # It would overwrite every fresh buffer so as to find reads of unset memory: a tool for tests.
    setattr(torch.utils.deterministic, _FILL, False)
    if chosen.type == "cpu":
        allocator.settle()
        quick_products()
    if precision == "auto":
        votes = world.all_reduce({"bf16": float(_bf16_is_faster(chosen))})["bf16"]
        precision = "bf16" if 2 * votes > world.size else "fp32"
    elif precision not in {"bf16", "fp32", *(["fp64"] if double else [])}:
        known = "bf16, fp32 or fp64" if double else "bf16 or fp32"
        raise UsageError(f"precision is auto, {known}, not {precision!r}")
    return Runtime(chosen, precision, count)


def _device(name: str) -> torch.device:
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    kind, colon, number = name.partition(":")
    if name == "auto":
        number = str(distributed.number("LOCAL_RANK", 0))
    elif kind != "cuda" or (colon and not _NUMBER.fullmatch(number)):
        raise UsageError(
            f"there is no device {name!r} that sslkit computes on",
            do="use auto, cpu, cuda or cuda:N",
        )
    if not torch.cuda.is_available():
        raise UsageError("there is no CUDA device here", do="leave --device out, or use cpu")
    count = torch.cuda.device_count()
    if number and int(number) >= count:
        raise UsageError(
            f"there is no CUDA device {number} here", why=f"there are {count}, numbered from 0"
        )
    return torch.device("cuda", int(number)) if number else torch.device("cuda")


def ready() -> None:
    """Load what the first step of an optimizer loads, 75 MiB of it, and then make room for work."""
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)
    torch.optim.SGD([weight]).step()
    allocator.make_rooms()


def quick_products() -> bool:
    """Let oneDNN make the matrix products of float32, where it makes them as exactly; whether.

    It is let in by permission to round to bfloat16. Processors that only have products of
    vectors in bfloat16 do not do it and gain by a better routine; those with products of tiles do.
    """
    setting = getattr(torch.backends.mkldnn, _MATMUL, None)
    if setting is None:
        return False
    setting.fp32_precision = "bf16"
    if _worst_error() > _EXACT:
        setting.fp32_precision = "none"
        return False
    return True


def _worst_error() -> float:
    """The largest error of small and large products of float32, over the norm of their vectors."""
    draw = torch.Generator().manual_seed(0)
    worst = 0.0
    for rows, inner, columns in _PRODUCTS:
        left = torch.randn(rows, inner, generator=draw)
        right = torch.randn(columns, inner, generator=draw)
        # As layers make them: forwards, and for the gradients of inputs and weights.
        for one, other in ((left, right.T), (left.T, left), (right.T.contiguous(), right)):
            error = (one @ other).double() - one.double() @ other.double()
            norm = one.double().norm(dim=1)[:, None] * other.double().norm(dim=0)
            worst = max(worst, float((error.abs() / norm).max()))
    return worst


def _bf16_is_faster(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return product_seconds(torch.bfloat16) < product_seconds(torch.float32)


def product_seconds(dtype: torch.dtype) -> float:
    """The shortest of a few times that one small matrix product takes one thread.

    Processor time, and no second thread to wait for: on a busy machine the clock would toss a
    coin.
    """
    left = torch.ones(_PROBE_SIZE, _PROBE_SIZE, dtype=dtype)
    best = float("inf")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(_PROBE_ROUNDS):
        start = time.thread_time()
        left @ left
        best = min(best, time.thread_time() - start)
    torch.set_num_threads(threads)
    return best
