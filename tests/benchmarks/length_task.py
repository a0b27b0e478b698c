"""One point of bench_length.py, in a process of its own: `cost` or `recall` of one encoder.

Prints one line of JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslkit import catalog, rng
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.encoder import Encoder, states_at
from sslkit.contracts.spec import Ids, token_ids
from sslkit.engine import runtime
from sslkit.engine.distributed import World
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.loop import Training
from sslkit.engine.optimizers import Rates
from sslkit.engine.plan import Plan, Work
from sslkit.engine.signals import Stop
from sslkit.objectives import clm
from sslkit.types import Array, Arrays

#: Model and settings by name; widths at which blocks have as many parameters.
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "transformer": ("transformer", {"heads": 4}),
    "gru": ("gru", {}),
    "gru, classic": ("gru", {"cell": "classic"}),
    "conv": ("conv", {}),
}
COST_BLOCKS = 6
COST_WIDTHS = {"transformer": 256, "gru": 256, "gru, classic": 242, "conv": 268}
RECALL_BLOCKS = 8
RECALL_WIDTHS = {"transformer": 64, "gru": 64, "conv": 66}

FILLERS, MARKER, QUERY = 8, 8, 9
SPEC = {"tokens": Ids(("length",), 10)}
TOKENS = token_ids(SPEC)
_TRAINED = (16, 32, 64, 128, 256, 512, 1024)
DISTANCES = (*_TRAINED, 2048)
#: Share of the steps after which all distances are trained on.
_WHOLE = 0.6
_TOKENS, _QUERIES, _ASKED = 4096, 8, 96


def encoder(name: str, blocks: int, width: int, causal: bool) -> Encoder:
    """A fresh encoder."""
    model, more = ENCODERS[name]
    module = catalog.load("model", model)
    torch.manual_seed(1)
    settings = module.Settings(blocks=blocks, width=width, causal=causal, **more)
    made: Encoder = module.Model(settings, SPEC)
    return made


def cost(name: str, length: int, rows: int, repeats: int, precision: str) -> dict[str, float]:
    """Processor seconds of forward and backward, and MiB at the peak beyond those before."""
    where = runtime.prepare("cpu", 1, precision)
    model = encoder(name, COST_BLOCKS, COST_WIDTHS[name], causal=False)

    def step(tokens: torch.Tensor) -> None:
        count = torch.full((len(tokens),), tokens.shape[1])
        with where.autocast():
            states = model({"tokens": tokens, "length": count}).values
        states.float().square().mean().backward()

    step(torch.zeros(1, 8, dtype=torch.int64))
    before = _peak()
    tokens = torch.randint(0, FILLERS, (rows, length))
    found = []
    for _ in range(repeats + 1):
        start = time.process_time()
        step(tokens)
        found.append(time.process_time() - start)
    return {"seconds": min(found[1:]), "mib": _peak() - before, "parameters": _size(model)}


def _size(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _peak() -> float:
    """MiB of memory at the peak of this process; that of its parent does not count in it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def planted(draws: rng.Counter, apart: Array) -> Arrays:
    """Rows in which one token stands behind a marker and is asked for behind queries.

    What stands behind a query is another token: an answer is never shown.

    Args:
        apart: tokens from the one to be recalled to those it is asked at, [rows, queries].
    """
    rows, asked = apart.shape
    longest = int(apart.max())
    lead = (draws.uniform("lead", 1) * (longest // 4)).astype(np.int64)
    columns = longest // 4 + longest + 2
    tokens = (draws.uniform("tokens", columns) * FILLERS).astype(np.int64)
    row, query = np.arange(rows)[:, None], lead + apart
    wanted = tokens[row, lead + 1]
    tokens[row, lead] = MARKER
    tokens[row, query] = QUERY
    # As clm prepares it, but for the targets: the state that has just seen the query.
    return {
        "tokens": tokens,
        "length": np.full(rows, columns),
        "targets": np.repeat(wanted[:, 0], asked),
        "weight": np.ones(rows * asked, np.float32),
        "positions": (row * (columns + 1) + query + 1).reshape(-1),
    }


def recall(name: str, steps: int, rate: float, precision: str, seed: int) -> dict[str, float]:
    """Share of tokens recalled, by distance, after training on distances up to 1024."""
    where = runtime.prepare("cpu", 1, precision)
    objective = clm.Objective(clm.Settings(), SPEC)

    def batches(step: int) -> list[Arrays]:
        pick = float(rng.Counter(seed, step, np.zeros(1, np.int64)).uniform("distance", 1)[0, 0])
        # Short distances first: none of the encoders learns anything from long ones alone.
        reached = 1 + (len(_TRAINED) - 1) * min(1.0, step / (_WHOLE * steps))
        distance = _TRAINED[int(pick * reached)]
        draws = rng.Counter(seed, step, np.arange(_TOKENS // distance))
        # By equal factors, so that no distance is rare.
        apart = 2 * (distance / 2) ** draws.uniform("apart", _QUERIES)
        return [planted(draws, apart.astype(np.int64))]

    def accuracy(learner: Learner) -> dict[str, float]:
        learner.eval()
        found = {}
        for distance in DISTANCES:
            draws = rng.Counter(seed, 10**6, np.arange(_ASKED))
            given = to_device(planted(draws, np.full((_ASKED, 1), distance)), where)
            with torch.inference_mode(), where.autocast():
                scores = learner.head(states_at(learner.encoder, given, given["positions"]))
            right = (scores.argmax(-1) == given["targets"]).float().mean()
            found[str(distance)] = round(float(right), 3)
        return found

    model = encoder(name, RECALL_BLOCKS, RECALL_WIDTHS[name], causal=True)
    start = time.process_time()
    with tempfile.TemporaryDirectory(prefix="bench-length-") as folder:
        plan = Plan(steps, rate, steps // 20, 0.0, 1.0, 10**9, seed)
        learner = Learner(model, objective)
        work = Work(batches, lambda learner: {})
        Training(learner, Rates({}), work, plan, where, World(), RunFolder(Path(folder))).run(
            Stop(), Console(quiet=True)
        )
    taken = time.process_time() - start
    return {"seconds": taken, "parameters": _size(model), **accuracy(learner)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("cost", "recall"))
    parser.add_argument("name", choices=list(ENCODERS))
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", default="bf16")
    asked = parser.parse_args()
    if asked.what == "cost":
        found = cost(asked.name, asked.length, asked.rows, asked.repeats, asked.precision)
    else:
        found = recall(asked.name, asked.steps, asked.rate, asked.precision, asked.seed)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
