"""What weighing annotations is worth on source code: tables for RESULTS.md.

    make results-code                                  # in results-code/ (within an hour, 2 cores)
    python tests/benchmarks/results_code.py --quick    # some minutes, to see that all works

Encoders learn from the source of packages that the development environment holds (TRAINED, tests
left out), with annotations weighing 1 or 4 and all else equal. They are judged on packages that
none of them has seen a module of (JUDGED), in two ways: a whole annotation is hidden, with
nothing else, and its tokens are predicted; or the tokens of every fourth window are hidden, one of
eight at a time, and predictions are told apart by the class of the token. Beside them stand what
needs no model: the tokens that are most frequent in annotations, and counts of neighbours in the
same corpus (the longest context that was seen there). Tokens that the vocabulary does not hold are
not asked. Every command is kept: started again, it goes on where it was.
"""

import argparse
import importlib.util
import json
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from code_questions import ANNOTATION, TOP, alone, counted, documents, predicted, shares, whole
from results import DATA, cell, sslkit

from sslkit.domains.source_code.python import CLASSES, NUMBER
from sslkit.engine import assemble

#: Of so many windows one is asked for its tokens.
EVERY = 4
TRAINED = (
    *("_pytest", "anyio", "distributed", "fontTools", "huggingface_hub", "hypothesis", "mypy"),
    *("pandas", "PIL", "rich", "tornado"),
)
#: Click is among the data; the other packages are those of the environment.
JUDGED = ("click", "jinja2", "packaging")
WEIGHTS = ("1", "4")
VOCABULARY = ["--max-size", "8192"]
#: Taps reach 45 tokens to each side. A transformer of this width learns later from so few tokens.
SHAPE = ["--model", "conv", "--set", "width=128", "--set", "blocks=4", "--set", "kernel=7"]
TRAINING = ["--window", "128", "--batch-tokens", "1024", "--learning-rate", "2e-3"]


def copy_packages(out: Path) -> None:
    """Source files by package: ``corpus/`` and ``judged/``."""
    for folder, names in (("corpus", TRAINED), ("judged", JUDGED)):
        for name in names:
            here = out / folder / name
            if here.exists():
                continue
            spec = importlib.util.find_spec(name)
            if name == "click":
                place = DATA / "text_code" / "py_click"
            elif spec and spec.submodule_search_locations:
                place = Path(spec.submodule_search_locations[0])
            else:
                raise SystemExit(f"{name} is not installed: make venv")
            for path in sorted(place.rglob("*.py")):
                inner = path.relative_to(place)
                if not {"tests", "testing", "test"} & set(inner.parts[:-1]):
                    (here / inner).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, here / inner)


class Work:
    """Packages, questions and what is known without a model."""

    def __init__(self, out: Path) -> None:
        self.out = out
        parts = assemble.from_checkpoint(out / f"weight-{WEIGHTS[0]}-1")
        self.domain, self.size = parts.domain, parts.tokens.size
        self.tokens = parts.vocabulary.tokens
        self.held = documents(self.domain, out / "judged")
        corpus = documents(self.domain, out / "corpus")
        self.asked, self.counts = {}, {}
        hidden = {
            "whole annotation": (whole(corpus, self.size), whole(self.held, self.size)),
            "one token": (alone(corpus, self.size), alone(self.held, self.size, EVERY)),
        }
        for name, (train, asked) in hidden.items():
            self.asked[name], self.counts[name] = asked, counted(train, asked, self.size)
            inside = train.targets[(train.kinds == ANNOTATION) & (train.targets < self.size)]
        frequent = np.argsort(-np.bincount(inside, minlength=self.size), kind="stable")[:TOP]
        self.frequent = frequent

    def groups(self, name: str) -> dict[str, np.ndarray]:
        """Which questions are of which class, by the name of the row."""
        asked = self.asked[name]
        known = asked.targets < self.size
        if name == "whole annotation":
            lengths = [len(hidden) for _, _, hidden in asked.rows]
            first = np.zeros(len(known), np.bool_)
            first[np.cumsum([0, *lengths[:-1]])] = True
            return {"annotation": known, "annotation, first token": known & first}
        kinds = {one: known & (asked.kinds == NUMBER[one]) for one in CLASSES}
        kinds["all but annotation"] = known & (asked.kinds != ANNOTATION)
        return {one: held for one, held in kinds.items() if held.any()}

    def judge(self, answers: dict[str, np.ndarray]) -> dict[str, list[float]]:
        """Shares by row of the table."""
        return {
            f"{name} | {group}": shares(answers[name], self.asked[name], chosen)
            for name in self.asked
            for group, chosen in self.groups(name).items()
        }

    def of_model(self, weight: str, seed: int) -> dict[str, list[float]]:
        """The same for a trained model."""
        folder = self.out / f"weight-{weight}-{seed}"
        return self.judge({n: predicted(folder, self.held, q) for n, q in self.asked.items()})

    def without_model(self) -> dict[str, dict[str, list[float]]]:
        """The same for what needs none."""
        frequent = {n: np.tile(self.frequent, (len(c), 1)) for n, c in self.counts.items()}
        return {
            "most frequent in annotations": self.judge(frequent),
            "neighbours": self.judge(self.counts),
        }


def pretrain(out: Path, weight: str, seed: int, steps: int) -> None:
    """One model."""
    words = [
        "--domain",
        "code",
        *SHAPE,
        *TRAINING,
        "--on-error",
        "skip",
        "--set",
        f"annotation_weight={weight}",
    ]
    place = ["--steps", str(steps), "--seed", str(seed), "-o", f"weight-{weight}-{seed}"]
    print(sslkit(out, "pretrain", *words, *place), end="")


def table(
    models: dict[str, list[dict[str, list[float]]]], fixed: dict[str, dict[str, list[float]]]
) -> Iterable[str]:
    """The rows of RESULTS.md."""
    yield "| hidden | class | model | accuracy [95%] | top-5 [95%] |"
    yield "|---|---|---|---|---|"
    one, four = (models[weight] for weight in WEIGHTS)
    for row in one[0]:
        for name, held in fixed.items():
            yield f"| {row} | {name} | {held[row][0]:.3f} | {held[row][1]:.3f} |"
        for weight, runs in models.items():
            cells = [cell([run[row][n] for run in runs]) for n in (0, 1)]
            yield f"| {row} | weight {weight} | {' | '.join(cells)} |"
        less = [[b[row][n] - a[row][n] for a, b in zip(one, four, strict=True)] for n in (0, 1)]
        yield f"| {row} | weight 4 less 1 | {' | '.join(cell(d, '+') for d in less)} |"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("results-code"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--quick", action="store_true", help="two seeds, 200 steps")
    parser.add_argument("--jobs", type=int, default=2, help="models that are trained at once")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps = 2, 200
    out = options.out / f"{options.steps}-steps"
    out.mkdir(parents=True, exist_ok=True)
    copy_packages(out)
    sslkit(out, "build-vocab", "corpus/", "--domain", "code", "--on-error", "skip", *VOCABULARY)
    jobs = [(weight, seed) for seed in range(1, options.seeds + 1) for weight in WEIGHTS]
    pretrain(out, *jobs[0], options.steps)
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda job: pretrain(out, *job, options.steps), jobs[1:]))
    torch.set_num_threads(options.jobs)
    work = Work(out)
    models = {w: [work.of_model(w, seed) for one, seed in jobs if one == w] for w in WEIGHTS}
    fixed = work.without_model()
    print("\n".join(table(models, fixed)))
    (out / "results.json").write_text(json.dumps([models, fixed], indent=1) + "\n")


if __name__ == "__main__":
    main()
