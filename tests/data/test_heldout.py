"""What is held out has no copies in training, in either direction, whatever the seed."""

import inspect

import numpy as np
import numpy.typing as npt
import pytest

from sslkit.data import heldout
from sslkit.data.heldout import COPY_UNITS, hashes, hold_out
from sslkit.data.shards import Segments, Shard
from sslkit.domains.biology import bases

Codes = npt.NDArray[np.uint8]


def segments_of(records: list[Codes]) -> Segments:
    lengths = np.array([len(one) for one in records])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    shard = Shard(np.concatenate(records), offsets, 0)
    return Segments([shard], np.zeros(len(records), np.int64), offsets[:-1], lengths)


def dna(count: int, size: int = 1000, seed: int = 0) -> list[Codes]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 4, size).astype(np.uint8) for _ in range(count)]


def shared_stretches(train: Segments, held: Segments) -> float:
    """Share of the held-out stretches of 32 bases, on either strand, that training shows."""
    seen = set()
    for number in range(len(train)):
        text = train.units(number).tobytes()
        seen |= {text[at : at + COPY_UNITS] for at in range(len(text) - COPY_UNITS + 1)}
    total = found = 0
    for number in range(len(held)):
        text = held.units(number).tobytes()
        other = bases.reverse_complement(held.units(number)).tobytes()
        for at in range(len(text) - COPY_UNITS + 1):
            mirrored = other[len(text) - at - COPY_UNITS : len(text) - at]
            total += 1
            found += text[at : at + COPY_UNITS] in seen or mirrored in seen
    return found / total


def numbers(part: Segments) -> set[int]:
    return set(part.start.tolist())


def test_parts_are_disjoint_and_of_the_size_asked_for() -> None:
    segments = segments_of(dna(50))
    split = hold_out(segments, 5000, bases.reverse_complement)
    assert not numbers(split.train) & numbers(split.held)
    assert len(split.train) + len(split.held) == 50
    assert 4000 <= split.held.length.sum() <= 6000
    assert split.copies == 0
    assert split.overlap == 0


def test_it_takes_no_seed() -> None:
    assert "seed" not in inspect.signature(hold_out).parameters
    records = dna(30)
    first = hold_out(segments_of(records), 3000, bases.reverse_complement)
    again = hold_out(segments_of(records), 3000, bases.reverse_complement)
    assert numbers(first.held) == numbers(again.held)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("copied", [1000, 300])
def test_planted_copies_across_the_border_are_left_out(mirrored: bool, copied: int) -> None:
    records = dna(40)
    plain = hold_out(segments_of(records), 3000, bases.reverse_complement)
    held = [int(start) // 1000 for start in plain.held.start]
    free = [n for n in range(40) if n not in held]
    # Place and length of the segments stay, so the same ones are held out again.
    for place, source in zip(free, held, strict=False):
        part = records[source][100:][:copied]
        records[place][: len(part)] = bases.reverse_complement(part) if mirrored else part
    split = hold_out(segments_of(records), 3000, bases.reverse_complement)
    assert numbers(split.held) == numbers(plain.held)
    assert split.copies == len(held)
    assert numbers(split.train) == {n * 1000 for n in free[len(held) :]}
    assert shared_stretches(split.train, split.held) == 0


def test_a_short_stretch_in_common_is_no_copy_but_is_counted() -> None:
    records = dna(40)
    plain = hold_out(segments_of(records), 3000, bases.reverse_complement)
    held = [int(start) // 1000 for start in plain.held.start]
    free = [n for n in range(40) if n not in held]
    records[free[0]][:80] = records[held[0]][:80]
    split = hold_out(segments_of(records), 3000, bases.reverse_complement)
    assert split.copies == 0
    assert split.overlap == pytest.approx(shared_stretches(split.train, split.held))
    assert split.overlap > 0


def test_a_held_segment_that_many_training_segments_share_is_left_out() -> None:
    records = dna(60)
    plain = hold_out(segments_of(records), 3000, bases.reverse_complement)
    held = [int(start) // 1000 for start in plain.held.start]
    free = [n for n in range(60) if n not in held]
    # No training segment shows a tenth of it; all together show a third.
    for number, place in enumerate(free[:5]):
        records[place][:90] = records[held[0]][number * 90 : (number + 1) * 90]
    split = hold_out(segments_of(records), 3000, bases.reverse_complement)
    assert numbers(split.held) == {n * 1000 for n in held[1:]}
    assert split.copies == 1
    assert split.overlap == 0


def test_something_is_held_out_even_where_all_is_repeated() -> None:
    records = dna(1) * 6
    split = hold_out(segments_of(records), 1000, bases.reverse_complement)
    assert len(split.held) >= 1
    assert len(split.train) == 0
    assert split.copies == 6 - len(split.held)


def test_at_most_half_and_at_least_one() -> None:
    assert len(hold_out(segments_of(dna(4)), 10**9, bases.reverse_complement).held) == 2
    assert len(hold_out(segments_of(dna(4)), 0, bases.reverse_complement).held) == 1


def test_large_training_parts_are_searched_in_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heldout, "_SEARCH_UNITS", 10_000)
    split = hold_out(segments_of(dna(40)), 3000, bases.reverse_complement)
    assert len(split.train) + len(split.held) == 40


def test_hashes_are_equal_where_stretches_are() -> None:
    one, other = dna(2, 200)
    other[50:90] = one[100:140]
    found, wanted = hashes(other), hashes(one)
    assert len(found) == 200 - COPY_UNITS + 1
    same = np.flatnonzero(np.isin(found, wanted))
    assert same.tolist() == list(range(50, 90 - COPY_UNITS + 1))


def test_a_short_record_has_one_hash_of_all_of_it() -> None:
    (one,) = dna(1, COPY_UNITS)
    short = one[:-1]
    changed, turned = short.copy(), short.copy()
    changed[3] = (changed[3] + 1) % 4
    turned[[2, 5]] = 0, 1
    swapped = turned.copy()
    swapped[[2, 5]] = 1, 0
    different = [short, changed, turned, swapped, short[:-1], short[1:], one]
    assert [len(hashes(units)) for units in different] == [1] * 7
    assert len({int(hashes(units)[0]) for units in different}) == 7
    np.testing.assert_array_equal(hashes(short), hashes(short.copy()))
    assert not len(hashes(one[:0]))


def test_copies_of_short_records_are_left_out() -> None:
    records = dna(40, 20)
    split = hold_out(segments_of(records * 3), 200, lambda units: units)
    held = {split.held.units(number).tobytes() for number in range(len(split.held))}
    assert held
    train = {split.train.units(number).tobytes() for number in range(len(split.train))}
    assert len(split.train) > 60
    assert not held & train
    assert split.overlap == 0


def test_units_need_not_be_numbers() -> None:
    words = np.arange(400, dtype=np.uint64).reshape(200, 2) % 150
    units = words.view("V16")[:, 0]
    found = hashes(units)
    assert len(found) == 200 - COPY_UNITS + 1
    # 75 of them later all is repeated.
    np.testing.assert_array_equal(found[75:], found[:-75])
    assert len(np.unique(found)) == 75
    assert len(hashes(units[:5])) == 1
