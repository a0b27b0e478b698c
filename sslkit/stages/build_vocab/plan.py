"""How build-vocab divides its memory for a corpus, and whether compiled loops are worth loading."""

from pathlib import Path

from sslkit.files import pipes, window
from sslkit.vocab import budget
from sslkit.vocab.budget import Plan
from sslkit.vocab.kmers import dense
from sslkit.vocab.kmers.kmers import have_compiled
from sslkit.vocab.scheme import Kmers, Scheme

#: Counting a corpus of so many bytes takes longer than loading compiled loops.
_WORTH_COMPILING = 1 << 27


def plan_for(total: int, scheme: Scheme, files: list[Path], threads: int) -> tuple[Plan, int]:
    """Divide the memory budget.

    Args:
        total: bytes of the budget.

    Returns:
        the plan, and how many threads may count at once.

    Raises:
        ResourceError: too little is left for counts.
    """
    named = [path for path in files if not pipes.is_pipe(path)]
    # As many files are decompressed at once as there are threads.
    sizes = sorted(map(window.memory, named), reverse=True)
    compiled = total - sum(sizes[:1]) >= budget.TIGHT and _pays(scheme, named) and have_compiled()
    free = budget.plan(total, compiled, sum(sizes[:1])).counts + sum(sizes[:1])
    while threads > 1 and sum(sizes[:threads]) + threads * budget.LANE > free:
        threads -= 1
    plan = budget.plan(total, compiled, sum(sizes[:threads]))
    return plan, budget.lanes(plan, threads)


def _pays(scheme: Scheme, files: list[Path]) -> bool:
    if not isinstance(scheme, Kmers) or scheme.k <= dense.CACHED_K:
        return False
    return sum(path.stat().st_size for path in files) >= _WORTH_COMPILING
