"""build-vocab --subword as a user runs it."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Run = Callable[..., Any]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rng = random.Random(5)
    syllables = ["ka", "to", "mi", "ré", "日", "st", "ing", "_", "7"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(300)]
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(3):
        text = "".join(
            rng.choice(words) + rng.choice([" ", ", ", "\n", " -- ", "\t"]) for _ in range(3000)
        )
        (folder / f"{number}.txt").write_text(text, newline="")
    return folder


def table(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def encoded(tokenizer: Path, files: list[Path]) -> Counter[int]:
    """The ids that the library finds in the raw text."""
    library = pytest.importorskip("tokenizers").Tokenizer.from_file(str(tokenizer))
    counts: Counter[int] = Counter()
    for path in files:
        counts.update(library.encode(path.read_text("utf-8")).ids)
    return counts


@pytest.mark.parametrize("method", ["bpe", "unigram"])
def test_the_library_finds_in_the_corpus_what_the_table_counts(
    command: Run, corpus: Path, tmp_path: Path, method: str
) -> None:
    done = command(
        "build-vocab", "corpus", "--subword", method, "--max-size", "320",
        "--special", "<mask>", "--special", "<pad>", "--json",
    )  # fmt: skip
    rows = table(tmp_path / "vocab.parquet")
    assert len(rows) == done.json["size"] == 320
    assert [row["token"] for row in rows[:2]] == ["<mask>", "<pad>"]
    rest = [(-row["count"], row["token"].encode()) for row in rows[2:]]
    assert rest == sorted(rest)
    counts = encoded(tmp_path / "vocab.tokenizer.json", sorted(corpus.iterdir()))
    assert {row["id"]: row["count"] for row in rows if row["count"]} == counts
    assert sum(counts.values()) == done.json["subwords"]
    tokenizer = json.loads((tmp_path / "vocab.tokenizer.json").read_text("utf-8"))
    assert {entry["content"]: entry["id"] for entry in tokenizer["added_tokens"]} == {
        "<mask>": 0, "<pad>": 1,
    }  # fmt: skip


@pytest.mark.parametrize("method", ["bpe", "unigram"])
def test_shards_threads_and_budgets_make_the_same_bytes(
    command: Run, corpus: Path, tmp_path: Path, method: str
) -> None:
    words = ("build-vocab", "corpus", "--subword", method, "--max-size", "300")
    command(*words, "-o", "a.parquet", "--threads", "1", "--mem", "1G")
    command(*words, "-o", "b.parquet", "--threads", "3", "--mem", "2G")
    for number in (1, 2, 3):
        command(*words, "--shard", f"{number}/3")
    command("merge-vocab", *(f"part-{n}-of-3" for n in (1, 2, 3)), "-o", "c.parquet")
    for end in ("parquet", "tokenizer.json"):
        whole = (tmp_path / f"a.{end}").read_bytes()
        assert whole == (tmp_path / f"b.{end}").read_bytes()
        assert whole == (tmp_path / f"c.{end}").read_bytes()


def test_code_is_cut_where_its_tokens_are(command: Run, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def parsed(value):\n    return parsed(value) + 'x' # no\n" * 9)
    command("build-vocab", "a.py", "--subword", "bpe", "--max-size", "270", "--min-count", "2")
    tokenizer = pytest.importorskip("tokenizers").Tokenizer.from_file(
        str(tmp_path / "vocab.tokenizer.json")
    )
    counts = {row["id"]: row["count"] for row in table(tmp_path / "vocab.parquet") if row["count"]}
    tokens = 'def parsed ( value ) : return parsed ( value ) + "'
    assert Counter(tokenizer.encode(" ".join([tokens] * 9)).ids) == counts


def test_a_finished_one_is_known_and_its_tokenizer_is_part_of_it(
    command: Run, corpus: Path, tmp_path: Path
) -> None:
    words = ("build-vocab", "corpus", "--subword", "bpe", "--max-size", "280")
    command(*words)
    beside = tmp_path / "vocab.tokenizer.json"
    whole = beside.read_bytes()
    assert "finished already" in command(*words).err
    assert "vocab.tokenizer.json" in command("show", "vocab.parquet").out
    assert "bpe" in command("show", "vocab.tokenizer.json").out
    beside.write_bytes(whole[:-9])
    assert "vocab.tokenizer.json" in command(*words, check=2).err
    assert "does not fit" in command("show", "vocab.parquet").out
    command(*words, "--force")
    assert beside.read_bytes() == whole
    assert "subword" in command("build-vocab", "corpus", check=2).err


def test_a_special_token_that_is_a_word_is_not_cut(command: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("unk lot of unk lots unk")
    command("build-vocab", "a.txt", "--subword", "bpe", "--max-size", "260", "--special", "unk")
    first, *rest = table(tmp_path / "vocab.parquet")
    assert (first["token"], first["count"]) == ("unk", 3)
    assert not any(row["count"] for row in rest if row["token"] in {"k", "nk"})


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a.fa", "--subword", "bpe"], 2, "one length"),
        (["a.txt", "--subword", "bpe", "--max-size", "200"], 2, "--max-size 200"),
        (["a.txt", "--subword", "unigram", "--mem", "260M"], 4, "allow at least"),
        (["a.txt", "--subword", "other"], 2, "other"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(
    command: Run, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGTACGTAC\n")
    with gzip.open(tmp_path / "a.txt", "wt") as stream:
        stream.write("some words")
    assert message in command("build-vocab", *words, check=code).err


def test_the_library_is_not_needed(sslkit: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some words, some more words")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "tokenizers.py").write_text("raise ImportError('not here')")
    sslkit("build-vocab", "a.txt", "--subword", "bpe", PYTHONPATH=str(hidden))
    rows = table(tmp_path / "vocab.parquet")
    left, right = (next(r["id"] for r in rows if r["token"] == piece) for piece in ("s", "ome"))
    merge = {"rank": 4, "left": left, "right": right}
    assert rows[0] == {"token": "some", "id": 0, "count": 2, "merges": [merge]}
    assert (tmp_path / "vocab.tokenizer.json").is_file()


@pytest.mark.parametrize("method", ["bpe", "unigram"])
def test_pieces_give_the_text_back(command: Run, corpus: Path, tmp_path: Path, method: str) -> None:
    command("build-vocab", "corpus", "--subword", method, "--set", "split=pieces")
    tokenizer = pytest.importorskip("tokenizers").Tokenizer.from_file(
        str(tmp_path / "vocab.tokenizer.json")
    )
    for path in corpus.iterdir():
        raw = path.read_text("utf-8")
        assert tokenizer.decode(tokenizer.encode(raw).ids) == raw
    counts = {row["id"]: row["count"] for row in table(tmp_path / "vocab.parquet") if row["count"]}
    assert encoded(tmp_path / "vocab.tokenizer.json", list(corpus.iterdir())) == counts
