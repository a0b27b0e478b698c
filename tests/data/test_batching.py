"""Rows dealt out to micro-batches: all of them, within the budget, and nothing else changes."""

import itertools

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.data import batching
from sslkit.domains import genome
from sslkit.models import transformer
from sslkit.objectives import mlm
from sslkit.types import Arrays
from sslkit.vocab.vocabulary import Vocabulary

Lengths = st.lists(st.integers(0, 40), max_size=30)


@given(Lengths, st.integers(1, 100), st.integers(0, 50))
def test_every_row_is_in_one_batch_within_the_budget(
    held: list[int], budget: int, overhead: int
) -> None:
    dealt = list(batching.by_cost(budget, overhead)(np.array(held, np.int64) // 2))
    assert sorted(itertools.chain(*(rows.tolist() for rows in dealt))) == list(range(len(held)))
    before = 99
    for rows in dealt:
        sizes = [held[row] // 2 for row in rows]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] <= before
        before = sizes[-1]
        assert len(sizes) == 1 or len(sizes) * sizes[0] <= budget
        assert sum(sizes[0] - size for size in sizes) <= overhead


def test_rows_of_one_length_stay_in_their_order() -> None:
    dealt = batching.by_cost(30, 0)(np.full(7, 10))
    assert [rows.tolist() for rows in dealt] == [[0, 1, 2], [3, 4, 5], [6]]
    assert not list(batching.by_cost(30, 0)(np.empty(0, np.int64)))


@given(Lengths, st.integers(1, 9))
def test_in_order(held: list[int], rows: int) -> None:
    dealt = [part.tolist() for part in batching.in_order(rows)(np.array(held, np.int64))]
    assert list(itertools.chain(*dealt)) == list(range(len(held)))
    assert all(len(part) == rows for part in dealt[:-1])


def test_cropping() -> None:
    units = np.arange(12).reshape(3, 4)
    found, lengths = batching.cropped(units[[2, 1]], np.array([2, 1]))
    assert found.tolist() == [[8, 9], [4, 5]]
    assert lengths.tolist() == [2, 1]


def test_losses_and_gradients_do_not_depend_on_how_rows_are_dealt_out() -> None:
    letters = ["".join(three) for three in itertools.product("ACGT", repeat=3)]
    domain = genome.Domain(genome.Settings(k=3), Vocabulary(letters, np.ones(64, np.int64)))
    objective = mlm.Objective(mlm.Settings(random=0.2, keep=0.1), domain.spec, np.ones(64))
    draw = np.random.default_rng(0)
    lengths = draw.integers(2, 60, 20)
    units = draw.integers(0, 4, (20, 60), dtype=np.uint8)
    torch.manual_seed(0)
    shape = transformer.Settings(blocks=2, width=16, heads=2)
    encoder, head = transformer.Model(shape, domain.spec).double(), objective.head(16).double()
    parameters = [*encoder.parameters(), *head.parameters()]

    def made(rows: np.ndarray[tuple[int], np.dtype[np.int64]], crop: bool) -> Arrays:
        some, sizes = batching.cropped(units[rows], lengths[rows]) if crop else (units, lengths)
        draws = rng.Counter(1, 5, rows + 100)
        return objective.prepare(domain.batch(some, sizes, draws), draws)

    def summed(batches: list[Arrays]) -> tuple[float, float, list[torch.Tensor]]:
        total = torch.zeros((), dtype=torch.float64)
        for arrays in batches:
            held = {name: torch.from_numpy(array) for name, array in arrays.items()}
            total = total + objective.losses(encoder, head, held)["mlm"]
        gradients = torch.autograd.grad(total, parameters)
        count = sum(objective.count(arrays)["mlm"] for arrays in batches)
        return float(total.detach()), count, list(gradients)

    whole = summed([made(np.arange(20), crop=False)])
    dealt = [
        made(rows, crop=True)
        for rows in batching.by_cost(50, 8)(np.array([domain.length(n) for n in lengths.tolist()]))
    ]
    assert len(dealt) > 5
    parts = summed(dealt)
    assert parts[1] == whole[1]
    # Losses of tokens are summed in float32.
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-6)
    for one, other in zip(parts[2], whole[2], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
