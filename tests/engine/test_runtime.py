"""Device, threads and number format."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch

from sslkit.engine import runtime
from sslkit.engine.distributed import World
from sslkit.errors import UsageError

# The type stubs of torch do not know it.
MATMUL = "matmul"


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (name, "there is no device")
        for name in ("cpux", "cpu:0", "cuda:banana", "cuda:-1", "mps", "meta", "xpu", "hpu:0", "")
    ],
)
def test_devices_that_are_not_there(device: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        runtime.prepare(device, 1, "fp32")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_cuda_here() -> None:
    with pytest.raises(UsageError, match="no CUDA device"):
        runtime.prepare("cuda", 1, "fp32")


def test_what_was_asked_for() -> None:
    made = runtime.prepare("cpu", 1, "fp32")
    assert made.describe() == {"device": "cpu", "precision": "fp32", "threads": 1}
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    with pytest.raises(UsageError, match="precision is auto, bf16 or fp32"):
        runtime.prepare("cpu", 1, "fp16")


def test_autocast_makes_products_in_bfloat16_only_where_asked() -> None:
    left = torch.ones(4, 4)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with runtime.prepare("cpu", 1, precision).autocast():
            assert (left @ left).dtype == dtype


def test_threads_of_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert runtime.prepare("cpu", None, "fp32").threads == 1
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    assert runtime.prepare("cpu", None, "fp32").threads == len(os.sched_getaffinity(0))
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Company(World):
    """Processes of which some find bfloat16 faster."""

    others: float = 0.0

    def all_reduce(self, values: Mapping[str, float]) -> dict[str, float]:
        return {name: value + self.others for name, value in values.items()}


@pytest.mark.parametrize(
    ("own", "others", "precision"),
    [(True, 0.0, "fp32"), (True, 1.0, "fp32"), (True, 2.0, "bf16"), (False, 3.0, "bf16")],
)
def test_processes_agree_on_one_precision(
    own: bool, others: float, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_bf16_is_faster", lambda device: own)
    assert runtime.prepare("cpu", 1, "auto", Company(0, 4, others=others)).precision == precision


def test_quick_products_are_as_exact_as_others() -> None:
    setting = getattr(torch.backends.mkldnn, MATMUL)
    quick = runtime.quick_products()
    assert setting.fp32_precision == ("bf16" if quick else "none")
    torch.manual_seed(5)
    left, right = torch.randn(300, 700), torch.randn(700, 200)
    exact = left.double() @ right.double()
    assert float(((left @ right).double() - exact).norm() / exact.norm()) < 2e-6


def test_products_that_round_are_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def rounding(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.dtype == torch.float32:
            return (left.bfloat16() @ right.bfloat16()).float()
        return torch.matmul(left, right)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounding)
    assert not runtime.quick_products()
    assert getattr(torch.backends.mkldnn, MATMUL).fp32_precision == "none"
