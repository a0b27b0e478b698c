"""Secondary structure of FLIP's chains: a probe of tokens, and fine-tuning on a few of them."""

import json
from pathlib import Path

import numpy as np
from protein_sets import Found, archive, probe, titled, write
from results import sslkit

#: Files of FLIP's secondary structure, and residues that a probe of it is fitted to.
STATES = ("sampled", "sequences", "mask")
RESIDUES_LEARNED = 100_000
#: Chains that are fine-tuned on and that choose the weights, together about as many residues.
CHAINS = 400, 40
TUNING = ["--steps", "200", "--batch", "16"]


def write_structure(out: Path) -> None:
    """The files of FLIP: sequences, states and masks."""
    (out / "flip").mkdir(exist_ok=True)
    for name in STATES:
        text = archive("flip_secondary_structure", f"{name}.fasta")
        (out / "flip" / f"{name}.fasta").write_text(text)


def write_few(out: Path, seed: int) -> Path:
    """A table of some training chains, others for each seed, and of all test chains."""
    states, letters, masks = (titled((out / "flip" / f"{name}.fasta").read_text())
                              for name in STATES)  # fmt: skip
    parts = {name: "test" if "SET=test" in title else "" for name, (title, _) in states.items()}
    known = [name for name, part in parts.items() if not part]
    order = np.random.default_rng(seed).permutation(len(known))[: sum(CHAINS)]
    for place, number in enumerate(order):
        parts[known[number]] = "train" if place < CHAINS[0] else "valid"
    lines = []
    for name, part in parts.items():
        shown = zip(states[name][1], masks[name][1], strict=True)
        label = "".join(state if mask == "1" else "?" for state, mask in shown)
        lines.append((name, letters[name][1], label, part))
    chosen = (line for line in lines if line[-1])
    return write(out / f"few-{seed}.csv", ("id", "sequence", "label", "split"), chosen)


def structure(out: Path, seed: int) -> dict[str, Found]:
    """States of residues, learned from some training chains, others for each seed."""
    labels, sequences, mask = (str(out / "flip" / f"{name}.fasta") for name in STATES)
    files = ("--labels", labels, "--set", f"sequences={sequences}", "--set", f"mask={mask}")
    words = (*files, "--set", f"most={RESIDUES_LEARNED}")
    task = "secondary-structure"
    found = probe(out, seed, task, "accuracy", "structure", *words)
    few = write_few(out, seed)
    tuned: Found = {}
    for name, more in (("fine-tuned from scratch", ["--from-scratch"]), ("fine-tuned", [])):
        given = ["--task", task, "--labels", str(few), *TUNING, "--seed", str(seed), *more]
        where = ["-o", f"tuned/{'-'.join(['structure', *more])}"]
        held = json.loads(sslkit(out / f"seed-{seed}", "finetune", *given, *where))
        tuned[name] = [held["metrics"]["accuracy"]["value"]]
    return {
        f"structure, {RESIDUES_LEARNED} residues": found,
        f"structure, {CHAINS[0]} chains": tuned,
    }
