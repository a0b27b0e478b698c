"""How long commands take before they work: processor seconds, the least of several runs.

    python tests/benchmarks/bench_start.py [--runs 5]

The limits are those that the project keeps to; a command above its limit is marked. Compiled files
are kept in a folder of their own, as an installation keeps them.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

_SAMPLES = Path(__file__).parents[2] / "sample_data"
_HELP, _LOOK, _IMPORT = 0.2, 1.0, 0.05
_ALL = (
    *("inspect", "build-vocab", "merge-vocab", "plan", "pretrain", "embed", "score", "finetune"),
    *("probe", "retrieve", "scaling", "slurm", "show", "doctor"),
)
_SSLKIT = (sys.executable, "-m", "sslkit")
#: Name, command line and limit in seconds.
_CASES = (
    ("import sslkit", (sys.executable, "-c", "import sslkit"), _IMPORT),
    ("sslkit --help", (*_SSLKIT, "--help"), _HELP),
    *((f"sslkit {name} --help", (*_SSLKIT, name, "--help"), _HELP) for name in _ALL),
    *((f"sslkit {name}", (*_SSLKIT, name), _LOOK) for name in ("show", "doctor")),
    *(
        (f"sslkit inspect {name}", (*_SSLKIT, "inspect", str(_SAMPLES / name)), _LOOK)
        for name in ("corpus", "labels", "protein", "molecule", "code", "pairs")
    ),
)


def seconds(words: tuple[str, ...], runs: int, compiled: str) -> float:
    """Processor seconds of a command line, its children included: the least of some runs."""
    spent = []
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # The first one compiles.
    for _ in range(1 + runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, capture_output=True, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as compiled:
        for name, words, limit in _CASES:
            least = seconds(words, runs, compiled)
            mark = "" if least < limit else f"  above {limit}"
            print(f"{name:28} {least:6.3f} s{mark}", flush=True)


if __name__ == "__main__":
    main()
