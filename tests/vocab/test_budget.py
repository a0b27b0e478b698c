"""How a budget is divided, and that what is planned is never above it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import ResourceError
from sslkit.vocab import budget


@given(
    total=st.integers(budget.BASE + budget.COMPILED + budget.LEAST + (64 << 20), 1 << 40),
    threads=st.integers(1, 64),
    compiled=st.booleans(),
    windows=st.integers(0, 64 << 20),
)
def test_no_plan_is_above_its_budget(total, threads, compiled, windows):
    plan = budget.plan(total, compiled, windows)
    assert plan.planned <= plan.total == total
    lanes = budget.lanes(plan, threads)
    assert 1 <= lanes <= threads
    share = budget.share(plan, lanes)
    assert 0 < share * lanes <= plan.counts


def test_too_little_is_refused_with_what_is_enough():
    with pytest.raises(ResourceError, match="too little") as caught:
        budget.plan(budget.BASE)
    assert "240M" in caught.value.do.replace(" ", "").replace("iB", "")
    assert budget.plan(256 << 20).total == 256 << 20


def test_what_decompressing_takes_is_said():
    with pytest.raises(ResourceError) as caught:
        budget.plan(256 << 20, windows=64 << 20)
    assert "decompressing the corpus 64 MiB" in caught.value.why
    assert "304 MiB" in caught.value.do


def test_the_peak_is_the_largest_resident_memory():
    before = budget.peak()
    held = np.ones(200 << 20, np.uint8)
    assert budget.peak() > held.nbytes
    del held
    budget.settle()
    assert budget.peak() >= max(before, 200 << 20)


def test_only_small_budgets_change_how_memory_is_managed():
    before = pa.default_memory_pool()
    try:
        budget.tighten(budget.plan(budget.TIGHT))
        assert pa.default_memory_pool().backend_name == before.backend_name
        budget.tighten(budget.plan(256 << 20))
        assert pa.default_memory_pool().backend_name == "system"
    finally:
        pa.set_memory_pool(before)
