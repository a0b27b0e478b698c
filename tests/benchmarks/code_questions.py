"""Hidden tokens of source code, and what counts and models answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sslkit.contracts.encoder import states_at
from sslkit.domains import code
from sslkit.domains.source_code.python import NUMBER
from sslkit.engine import assemble
from sslkit.objectives import mlm

WINDOW, APART, TOP = 128, 8, 5
#: Longest annotation that is hidden as a whole.
LONGEST = 31
ANNOTATION = NUMBER["annotation"]


@dataclass(frozen=True)
class Questions:
    """Hidden tokens.

    Attributes:
        rows: windows: document, first token, hidden places within it.
        targets: ids of what is hidden, over all rows.
        kinds: their classes.
        contexts: keys of their neighbours, the longest context first; [levels, targets].
    """

    rows: list[tuple[int, int, np.ndarray]]
    targets: np.ndarray
    kinds: np.ndarray
    contexts: np.ndarray


def documents(domain: code.Domain, folder: Path) -> list[np.ndarray]:
    """The units of every file."""
    paths = sorted(folder.rglob("*.py"))
    return [one.payload for path in paths for one in domain.read(path, "skip") if not one.error]


def ids_of(units: np.ndarray, size: int) -> np.ndarray:
    """Token ids, ``size`` for what is unknown."""
    return np.minimum((units & code.MEANING).astype(np.int64), size)


def mixed(size: int, *columns: np.ndarray | int) -> np.ndarray:
    """One number for several that are at most ``size``."""
    key = np.zeros(1, np.int64)
    for column in columns:
        key = key * (size + 2) + column
    return key


def whole(held: Sequence[np.ndarray], size: int) -> Questions:
    """Every annotation hidden as a whole, in a window around it."""
    rows, targets, contexts = [], [], []
    for number, units in enumerate(held):
        ids = np.pad(ids_of(units, size), 2, constant_values=size + 1)
        inside = np.pad(units >> code.KINDS == ANNOTATION, 1).astype(np.int8)
        edges = np.flatnonzero(np.diff(inside)).reshape(-1, 2)
        for begin, end in edges[edges[:, 1] - edges[:, 0] <= LONGEST].tolist():
            first = max(0, min((begin + end - WINDOW) // 2, len(units) - WINDOW))
            offset = np.arange(end - begin)
            rows.append((number, first, begin - first + offset))
            targets.append(ids[begin + 2 : end + 2])
            place = (end - begin) * (LONGEST + 1) + offset
            before, last, after = ids[begin], ids[begin + 1], ids[end + 2]
            around = mixed(size, before, last, after) * (LONGEST + 1) ** 2 + place
            name = mixed(size, 0, 0, before, last) * (LONGEST + 1) ** 2 + place
            sign = mixed(size, 0, 0, 0, last) * (LONGEST + 1) ** 2 + place
            contexts.append(np.stack([around, name, sign, place]))
    asked = np.concatenate(targets)
    kinds = np.full(len(asked), ANNOTATION)
    return Questions(rows, asked, kinds, np.concatenate(contexts, axis=1))


def alone(held: Sequence[np.ndarray], size: int, every: int = 1) -> Questions:
    """Every token hidden, together with those that are a multiple of APART away.

    Only one of so many windows is asked.
    """
    rows, targets, kinds, contexts = [], [], [], []
    for number, units in enumerate(held):
        ids = np.pad(ids_of(units, size), 2, constant_values=size + 1)
        place = np.arange(len(units))
        for first in range(0, len(units), WINDOW * every):
            inside = place[: min(WINDOW, len(units) - first)]
            rows += [(number, first, inside[begin::APART]) for begin in range(APART)]
        # In the order of the rows: window, then what is hidden together.
        order = np.lexsort((place, place % WINDOW % APART, place // WINDOW))
        order = order[order // WINDOW % every == 0]
        targets.append(ids[2:-2][order])
        kinds.append((units >> code.KINDS)[order])
        second, before, after = ids[:-4], ids[1:-3], ids[3:-1]
        three = mixed(size, second, before, after)
        found = np.stack([three, mixed(size, before, after), mixed(size, before), 0 * three])
        contexts.append(found[:, order])
    return Questions(
        [row for row in rows if len(row[2])],
        np.concatenate(targets),
        np.concatenate(kinds),
        np.concatenate(contexts, axis=1),
    )


def counted(train: Questions, asked: Questions, size: int) -> np.ndarray:
    """The answers of the longest context that stands in the corpus, best first; [targets, TOP]."""
    found = np.full((len(asked.targets), TOP), -1, np.int64)
    known = train.targets < size
    for level in range(len(asked.contexts)):
        left = found[:, 0] < 0
        if not left.any():
            break
        keys, place = np.unique(asked.contexts[level][left], return_inverse=True)
        at = np.minimum(np.searchsorted(keys, train.contexts[level]), len(keys) - 1)
        fits = known & (keys[at] == train.contexts[level])
        pairs, counts = np.unique(at[fits] * size + train.targets[fits], return_counts=True)
        order = np.lexsort((pairs, -counts, pairs // size))
        pairs = pairs[order]
        rank = np.arange(len(pairs)) - np.searchsorted(pairs // size, pairs // size)
        table = np.full((len(keys), TOP), -1, np.int64)
        best = rank < TOP
        table[pairs[best] // size, rank[best]] = pairs[best] % size
        found[left] = table[place]
    return found


@torch.no_grad()
def predicted(folder: Path, held: Sequence[np.ndarray], asked: Questions) -> np.ndarray:
    """The answers of a model, best first; [targets, TOP]."""
    parts = assemble.from_checkpoint(folder)
    known = parts.tokens
    objective = mlm.Objective(mlm.Settings(), parts.domain.spec, parts.vocabulary.counts)
    head = objective.head(parts.encoder.width).eval()
    head.load_state_dict(parts.checkpoint.tensors["head"])
    answers = []
    for begin in range(0, len(asked.rows), 128):
        some = asked.rows[begin : begin + 128]
        tokens = np.full((len(some), WINDOW), known.pad)
        lengths, places = np.zeros(len(some), np.int64), []
        for row, (number, first, hidden) in enumerate(some):
            units = held[number][first : first + WINDOW]
            ids = (units & code.MEANING).astype(np.int64)
            tokens[row, : len(ids)] = np.where(ids < known.size, ids, known.unknown)
            tokens[row, hidden] = known.mask
            lengths[row] = len(ids)
            places.append(row * (WINDOW + 1) + 1 + hidden)
        given = {"tokens": torch.from_numpy(tokens), "length": torch.from_numpy(lengths)}
        at = torch.from_numpy(np.concatenate(places))
        scores = head(states_at(parts.encoder, given, at))
        answers.append(scores.topk(TOP, -1).indices.numpy())
    return np.concatenate(answers)


def shares(answers: np.ndarray, asked: Questions, chosen: np.ndarray) -> list[float]:
    """Accuracy and top-5 accuracy where the vocabulary holds the token."""
    hits = answers[chosen] == asked.targets[chosen, None]
    return [float(hits[:, 0].mean()), float(hits.any(1).mean())]
