"""How a budget is divided for a corpus."""

import lzma
from pathlib import Path

import pytest

from sslkit.domains import genome
from sslkit.errors import ResourceError
from sslkit.stages.build_vocab.plan import plan_for
from sslkit.vocab import budget

SCHEME = genome.counting(genome.Settings(), "stop")
MIB = 1 << 20


@pytest.fixture
def packed(tmp_path: Path) -> list[Path]:
    """Files that take 64 MiB each to be decompressed."""
    files = [tmp_path / f"{number}.fa.xz" for number in range(8)]
    for path in files:
        path.write_bytes(lzma.compress(b">a\n" + b"ACGT" * 100, preset=9))
    return files


def test_many_threads_do_not_ask_for_more_than_there_is(packed: list[Path]) -> None:
    for total in (512 * MIB, 1024 * MIB, 8192 * MIB):
        plan, workers = plan_for(total, SCHEME, packed, 16)
        assert plan.planned <= total
        assert plan.rest >= budget.BASE + workers * 64 * MIB
        assert plan.counts >= workers * budget.LANE or workers == 1
    assert plan_for(512 * MIB, SCHEME, packed, 16)[1] == 1
    assert plan_for(8192 * MIB, SCHEME, packed, 16)[1] > 4


def test_one_file_must_fit(packed: list[Path]) -> None:
    with pytest.raises(ResourceError, match="too little") as caught:
        plan_for(budget.BASE + budget.LEAST + 63 * MIB, SCHEME, packed, 4)
    assert "decompressing the corpus 64 MiB" in str(caught.value.why)
    assert plan_for(budget.BASE + budget.LEAST + 64 * MIB, SCHEME, packed, 4)[1] == 1
