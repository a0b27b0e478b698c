"""The whole engine against a plain Counter: any corpus, any block size, any budget."""

import collections
import contextlib
import io
import itertools
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sslkit.domains import genome, text
from sslkit.errors import DataError
from sslkit.vocab import counting, parts, words
from sslkit.vocab.external_sort import combine, merge
from sslkit.vocab.external_sort.finish import Finish
from sslkit.vocab.kmers import kmers
from sslkit.vocab.parts import Part
from sslkit.vocab.scheme import Strings

SLOW = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def vocabulary(files, scheme, store, folder, block, **options):
    """All rows of the table that the engine makes of files given as bytes."""
    paths = [Path(f"file{number}") for number in range(len(files))]

    @contextmanager
    def opened(path):
        yield io.BytesIO(files[paths.index(path)])

    stop_after = options.get("stop_after", -1)
    calls = itertools.count()
    watch = counting.Watch(lambda: next(calls) == stop_after, lambda *_: None)
    # Texts without a word are passed over.
    skip = isinstance(scheme, Strings) and scheme.needs_tokens
    held = counting.Files([Part(path) for path in paths], opened, skip)
    before, counting.BLOCK = counting.BLOCK, block
    try:
        count = counting.Count(scheme, store, held, folder, watch)
        count.run()
    finally:
        counting.BLOCK = before
    memory = options.get("memory", 1 << 20)
    spills = combine.reduce(count.spills, folder, memory, lambda: None)
    finish = Finish(*combine.streams(spills, memory), folder, memory, options.get("special", []))
    finish.sort(lambda: None)
    cut = finish.cut(options.get("least", 1), options.get("most"))
    rows = [
        row
        for tokens, counts in finish.rows(cut, scheme, lambda: None)
        for row in zip(tokens.to_pylist(), counts.tolist(), strict=True)
    ]
    assert len(rows) == cut.size
    return rows, finish, count


def ranked(found):
    return sorted(found.items(), key=lambda row: (-row[1], row[0].encode()))


# Words that share long beginnings, of all lengths around the borders of 8 and 16 bytes.
stems = st.sampled_from(["a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghabcdefg", "é中"])
word = st.builds(lambda *parts: "".join(parts), stems, st.sampled_from(["", "x", "yz"]), stems)
gap = st.sampled_from([" ", "\n", "\r\n", ", ", "—", "  \t"])
texts = st.lists(st.builds(lambda w, g: w + g, word, gap), max_size=80).map("".join)


@SLOW
@given(files=st.lists(texts, min_size=1, max_size=3), block=st.integers(1, 60), tiny=st.booleans())
def test_words_of_any_text(files, block, tiny):
    scheme = text.counting(text.Settings(), "stop")
    store = words.Counter(0 if tiny else 1 << 16, 40)
    with tempfile.TemporaryDirectory() as folder:
        rows, *_ = vocabulary(
            [held.encode() for held in files], scheme, store, Path(folder), block, skip=True
        )
    found = collections.Counter(w for held in files for w in re.findall(r"\w+", held))
    assert rows == ranked(found)


@SLOW
@given(
    lines=st.lists(st.text("aaab é", max_size=30) | texts, max_size=12),
    block=st.integers(1, 60),
    tiny=st.booleans(),
)
def test_words_of_one_byte_where_they_are_many_and_where_they_are_few(lines, block, tiny):
    held = "\n".join(lines)
    scheme = text.counting(text.Settings(), "stop")
    store = words.Counter(0 if tiny else 1 << 16, 40)
    with tempfile.TemporaryDirectory() as folder:
        rows, *_ = vocabulary([held.encode()], scheme, store, Path(folder), block)
    assert rows == ranked(collections.Counter(re.findall(r"\w+", held)))


sequences = st.text(alphabet="ACGTacgtNURy", max_size=90)


@SLOW
@given(
    files=st.lists(st.lists(sequences.filter(bool), min_size=1), min_size=1, max_size=3),
    block=st.integers(1, 60),
    k=st.sampled_from([1, 2, 5, 9, 10, 13, 31]),
    canonical=st.booleans(),
    width=st.integers(1, 30),
)
def test_kmers_of_any_sequences(files, block, k, canonical, width):
    def fasta(records):
        lines = ["\r\n".join(re.findall(f".{{1,{width}}}", record)) for record in records]
        return "".join(f">r{n} >x\n{held}\n" for n, held in enumerate(lines)).encode()

    scheme = genome.counting(genome.Settings(k=k), "stop")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmers, "TABLE_K", 10)
        rows, finish, count = vocabulary(
            [fasta(records) for records in files],
            scheme,
            kmers.Counter(k, canonical, 0, 60),
            Path(folder),
            block,
        )
    found = collections.Counter()
    windows = 0
    for record in (record for records in files for record in records):
        held = record.upper().replace("U", "T")
        windows += max(0, len(held) - k + 1)
        for start in range(len(held) - k + 1):
            token = held[start : start + k]
            if set(token) <= set("ACGT"):
                other = token[::-1].translate(str.maketrans("ACGT", "TGCA"))
                found[min(token, other) if canonical else token] += 1
    assert rows == ranked(found)
    assert count.tally["windows"] == windows
    assert finish.total == sum(found.values())


@SLOW
@given(held=texts, least=st.integers(1, 4), most=st.none() | st.integers(1, 9))
def test_cuts_and_special_tokens(held, least, most):
    scheme = text.counting(text.Settings(), "stop")
    special = ["<s>", "ab"]
    with tempfile.TemporaryDirectory() as folder:
        rows, finish, _ = vocabulary(
            [held.encode()],
            scheme,
            words.Counter(1 << 16, 1 << 12),
            Path(folder),
            1 << 12,
            least=least,
            most=most,
            special=special,
        )
    found = collections.Counter(re.findall(r"\w+", held))
    assert finish.total == sum(found.values())
    assert finish.distinct == len(found)
    kept = [row for row in ranked(found) if row[1] >= least and row[0] not in special]
    room = None if most is None else max(0, most - 2)
    assert rows == [("<s>", 0), ("ab", found["ab"]), *kept[:room]]


@SLOW
@given(
    files=st.lists(texts, min_size=1, max_size=3),
    stops=st.lists(st.integers(0, 12), max_size=4),
    damage=st.none() | st.integers(0, 99),
)
def test_a_count_goes_on_where_it_was_stopped(files, stops, damage):
    scheme = text.counting(text.Settings(), "stop")
    data = [held.encode() for held in files]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for after in stops:
            with contextlib.suppress(counting.StoppedError):
                store = words.Counter(0, 40)
                vocabulary(data, scheme, store, folder, 20, stop_after=after)
        spills = sorted(folder.glob("spill-*"))
        if damage is not None and spills:
            hurt = spills[damage % len(spills)]
            held = bytearray(hurt.read_bytes())
            if held:
                held[len(held) // 2] ^= 1
                hurt.write_bytes(held)
        rows, *_ = vocabulary(data, scheme, words.Counter(0, 40), folder, 20)
    assert rows == ranked(collections.Counter(re.findall(r"\w+", " ".join(files))))


@SLOW
@given(records=st.lists(sequences.filter(bool), min_size=1, max_size=4), after=st.integers(0, 20))
def test_a_count_of_kmers_goes_on_where_it_was_stopped(records, after):
    data = ["".join(f">{n}\n{held}\n" for n, held in enumerate(records)).encode()]
    scheme = genome.counting(genome.Settings(k=3), "stop")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contextlib.suppress(counting.StoppedError):
            store = kmers.Counter(3, False, 0, 60)
            vocabulary(data, scheme, store, folder, 7, stop_after=after)
        rows, _, count = vocabulary(data, scheme, kmers.Counter(3, False, 0, 60), folder, 7)
    with tempfile.TemporaryDirectory() as name:
        plain, _, whole = vocabulary(data, scheme, kmers.Counter(3, False, 0, 60), Path(name), 1000)
    assert rows == plain
    assert count.tally == whole.tally


def test_more_runs_than_can_be_merged_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "SMALLEST_BLOCK", 3)
    monkeypatch.setattr(merge, "fan_in", lambda _: 2)
    tokens = [f"{'t' * (n % 25)}{n % 97}" for n in range(500)]
    scheme = text.counting(text.Settings(), "stop")
    rows, _, count = vocabulary(
        [" ".join(tokens).encode()], scheme, words.Counter(0, 50), tmp_path, 90, memory=2000
    )
    assert len(count.spills) > 20
    assert rows == ranked(collections.Counter(tokens))


def test_tokens_too_long_for_any_vocabulary(tmp_path):
    data = b"a " + b"x" * 500_000 + b" b " + "é".encode() * 200_000 + b" a"
    rows, _, count = vocabulary(
        [data],
        text.counting(text.Settings(), "skip"),
        words.Counter(1 << 16, 1 << 16),
        tmp_path,
        50_001,
    )
    assert rows == [("a", 2), ("b", 1)]
    assert count.tally["too_long_tokens"] == 2
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="longer than") as caught:
        vocabulary(
            [data],
            text.counting(text.Settings(), "stop"),
            words.Counter(1 << 16, 1 << 16),
            tmp_path / "other",
            50_001,
        )
    assert "byte 3" in caught.value.where


@pytest.mark.parametrize("block", [1, 2, 3, 5, 100])
def test_bytes_that_are_no_utf8(tmp_path, block):
    data = "zwölf Boxkämpfer".encode("latin-1") + " zwölf é".encode() + b"\xc3"
    scheme = text.counting(text.Settings(), "skip")
    store = words.Counter(1 << 16, 1 << 12)
    rows, _, count = vocabulary([data], scheme, store, tmp_path, block)
    assert dict(rows) == {"zw": 1, "lf": 1, "Boxk": 1, "mpfer": 1, "zwölf": 1, "é": 1}
    assert count.tally["invalid_bytes"] == 3
    scheme = text.counting(text.Settings(), "stop")
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="not UTF-8") as caught:
        vocabulary([data], scheme, store, tmp_path / "other", block)
    assert "file0, byte 3" in caught.value.where


@settings(SLOW, max_examples=30)
@given(
    files=st.lists(texts, min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
    lanes=st.integers(1, 4),
    memory=st.sampled_from([2000, 1 << 20]),
)
def test_threads_and_the_order_of_files_change_nothing(files, order, lanes, memory):
    """Each lane counts its own parts; what they spill is merged as if one had counted all."""
    scheme = text.counting(text.Settings(), "stop")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = []
        for number, held in enumerate(files):
            paths.append(folder / f"file{number}")
            paths[-1].write_bytes(held.encode())
        order.shuffle(paths)
        spills = []
        for lane in range(1, lanes + 1):
            mine = parts.divide(paths, lambda _: b"\n", lane, lanes)
            (folder / str(lane)).mkdir()
            watch = counting.Watch(lambda: False, lambda *_: None)
            held = counting.Files(mine, lambda path: path.open("rb"), skip=True)
            store = words.Counter(0, 1 << 10)
            count = counting.Count(scheme, store, held, folder / str(lane), watch)
            count.run()
            spills += count.spills
        merged = combine.reduce(spills, folder, memory, lambda: None)
        finish = Finish(*combine.streams(merged, memory, lanes), folder, memory, [])
        finish.sort(lambda: None)
        rows = [
            row
            for tokens, counts in finish.rows(finish.cut(1, None), scheme, lambda: None)
            for row in zip(tokens.to_pylist(), counts.tolist(), strict=True)
        ]
    assert rows == ranked(
        collections.Counter(w for held in files for w in re.findall(r"\w+", held))
    )
