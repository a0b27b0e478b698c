"""Vectors of records against running each record, window by window, alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from states import states

from sslkit.contracts.encoder import States
from sslkit.domains import genome
from sslkit.engine.runtime import Runtime
from sslkit.errors import UsageError
from sslkit.inference import encode
from sslkit.inference.windows import Plan, count_windows, windows
from sslkit.models import transformer
from sslkit.types import Batch
from sslkit.vocab.vocabulary import Vocabulary

K, STRIDE, WINDOW = 3, 2, 16
RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def domain() -> genome.Domain:
    tokens = ["".join("ACGT"[i // 4**p % 4] for p in (2, 1, 0)) for i in range(4**K)]
    vocabulary = Vocabulary(tokens, np.ones(len(tokens), np.int64))
    return genome.Domain(genome.Settings(k=K, stride=STRIDE), vocabulary)


@pytest.fixture(scope="module")
def encoder(domain: genome.Domain) -> transformer.Model:
    torch.manual_seed(1)
    shape = transformer.Settings(blocks=2, width=16, heads=2)
    model = transformer.Model(shape, domain.spec)
    with torch.no_grad():
        # Fresh weights are so small that a mistake would not show.
        for parameter in model.parameters():
            parameter.mul_(10 if parameter.ndim == 2 else 1)
    return model


def examples(lengths: list[int], seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    draw = np.random.default_rng(seed)
    return [draw.integers(0, 4, size, dtype=np.uint8) for size in lengths]


def alone(
    encoder: transformer.Model, domain: genome.Domain, units: npt.NDArray[np.uint8], plan: Plan
) -> npt.NDArray[np.float32]:
    """Kept outputs of a record's tokens, one window at a time, [tokens, width]."""
    tokens = domain.batch(units[None], np.array([len(units)]), None)["tokens"][0]
    found = []
    with torch.no_grad():
        for window in windows(len(tokens), plan):
            ids = torch.from_numpy(tokens[window.start : window.stop])[None]
            out = states(encoder, ids, torch.tensor([ids.shape[1]]), plan.layer)[0].numpy()
            found.append(out[window.keep - window.start : window.keep_stop - window.start])
    return np.concatenate(found)


LENGTHS = [40, 0, 3, 2, 7, 200, 33, 34, 35, 12, 90, 5, 1, 64]


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("overlap", [0, 1, 5, 15])
@pytest.mark.parametrize("batch_tokens", [1, 20, 2048])
def test_vectors_equal_those_of_records_alone(
    encoder: Any, domain: Any, layer: int, overlap: int, batch_tokens: int
) -> None:
    units = examples(LENGTHS)
    for pooling in ("mean", "max", "first"):
        plan = Plan(pooling, layer, WINDOW, overlap, batch_tokens=batch_tokens)
        found = list(encode.embed(encoder, domain, units, plan, RUNTIME))
        assert len(found) == len(units)
        for vector, one in zip(found, units, strict=True):
            if len(one) < K:
                assert vector is None
                continue
            outputs = alone(encoder, domain, one, plan)
            slow = {"mean": outputs.mean(0), "max": outputs.max(0), "first": outputs[0]}[pooling]
            assert vector is not None
            assert vector.dtype == np.float32
            np.testing.assert_allclose(vector, slow, atol=TOLERANCE * np.linalg.norm(slow))


def test_mean_over_windows_is_the_mean_over_token_outputs(encoder: Any, domain: Any) -> None:
    units = examples(LENGTHS)
    pooled = encode.embed(encoder, domain, units, Plan("mean", 2, WINDOW, 5), RUNTIME)
    chunks = encode.pieces(encoder, domain, units, Plan(None, 2, WINDOW, 5), RUNTIME)
    each = [piece for chunk in chunks for piece in chunk]
    for row, vector in enumerate(pooled):
        outputs = np.concatenate([piece.vectors for piece in each if piece.row == row])
        assert len(outputs) == domain.length(len(units[row]))
        if vector is not None:
            size = np.linalg.norm(vector)
            np.testing.assert_allclose(vector, outputs.mean(0), atol=TOLERANCE * size)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 40), st.data())
def test_windows_keep_every_token_once_and_far_from_borders(
    tokens: int, window: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, window - 1))
    plan = Plan("mean", 0, window, overlap)
    cut = list(windows(tokens, plan))
    kept = [t for one in cut for t in range(one.keep, one.keep_stop)]
    assert kept == list(range(tokens))
    assert count_windows(tokens, plan) == (len(cut), sum(one.stop - one.start for one in cut))
    assert all(one.stop - one.start == min(window, tokens) for one in cut)

    def far(one: Any, token: int) -> int:
        ends = [token - one.start] if one.start else []
        ends += [one.stop - 1 - token] if one.stop < tokens else []
        return min(ends, default=tokens)

    for one in cut:
        for token in range(one.keep, one.keep_stop):
            seen = [far(other, token) for other in cut if other.start <= token < other.stop]
            assert far(one, token) == max(seen)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 100))
def test_pieces_are_in_input_order_and_can_be_continued(
    lengths: list[int], batch_tokens: int
) -> None:
    tokens = ["A", "C", "G", "T"]
    domain = genome.Domain(genome.Settings(k=1), Vocabulary(tokens, np.ones(4, np.int64)))
    plan = Plan(None, 0, 8, 2, batch_tokens=batch_tokens)

    class Echo:
        """The token itself, and where it stands in its window."""

        width, depth, training = 2, 0, False

        def train(self, mode: bool = True) -> None:
            assert not mode

        def __call__(self, batch: Batch, *, layer: int | None = None) -> States:
            tokens, length = batch["tokens"], batch["length"]
            place = torch.arange(tokens.shape[1]).expand_as(tokens)
            out = torch.stack([tokens, place], -1).float()
            outside = place >= length[:, None]
            return States(out.masked_fill(outside[..., None], torch.nan), ~outside)

    units = examples(lengths)
    chunks = list(encode.pieces(Echo(), domain, units, plan, RUNTIME))
    rows = [piece.row for chunk in chunks for piece in chunk]
    assert rows == sorted(rows)
    assert sum(piece.last for chunk in chunks for piece in chunk) == len(units)
    for row, one in enumerate(units):
        mine = [piece.vectors for chunk in chunks for piece in chunk if piece.row == row]
        np.testing.assert_array_equal(np.concatenate(mine)[:, 0], one)
    if len(chunks) > 1:
        again = list(encode.pieces(Echo(), domain, units, plan, RUNTIME, skip=len(chunks[0])))
        assert [len(chunk) for chunk in again] == [len(chunk) for chunk in chunks[1:]]
        for first, second in zip(chunks[1:], again, strict=True):
            for left, right in zip(first, second, strict=True):
                assert (left.row, left.window, left.last) == (right.row, right.window, right.last)
                np.testing.assert_array_equal(left.vectors, right.vectors)


def test_truncation_and_first_read_one_window(encoder: Any, domain: Any) -> None:
    units = examples([200, 20])
    for plan in (Plan("mean", 2, WINDOW, 4, truncate=True), Plan("first", 2, WINDOW, 4)):
        (chunk,) = encode.pieces(encoder, domain, units, plan, RUNTIME)
        assert [piece.tokens for piece in chunk] == [domain.length(200), domain.length(20)]
        assert all(piece.last for piece in chunk)
        assert not plan.reads_all(chunk[0].tokens)
        assert plan.reads_all(chunk[1].tokens)


def test_input_is_read_as_it_is_needed(encoder: Any, domain: Any) -> None:
    read = 0

    def endless() -> Iterator[npt.NDArray[np.uint8]]:
        nonlocal read
        while True:
            read += 1
            yield np.zeros(50, np.uint8)

    plan = Plan("mean", 2, WINDOW, 0, batch_tokens=64)
    next(encode.pieces(encoder, domain, endless(), plan, RUNTIME))
    assert read < 200


def test_training_mode_is_left_as_it_was(encoder: Any, domain: Any) -> None:
    for mode in (True, False):
        encoder.train(mode)
        list(encode.embed(encoder, domain, examples([9]), Plan("mean", 0, 8, 0), RUNTIME))
        assert encoder.training is mode


def test_layers_are_counted_from_both_ends() -> None:
    assert [encode.resolve_layer(n, 12) for n in (0, 3, 12, -1, -13)] == [0, 3, 12, 12, 0]
    for wrong in (13, -14):
        with pytest.raises(UsageError, match="there is no layer"):
            encode.resolve_layer(wrong, 12)


def test_overlap_is_smaller_than_the_window() -> None:
    with pytest.raises(UsageError, match="cannot overlap by 8"):
        Plan("mean", 0, 8, 8)
