"""Tables of embeddings: what is written is read back, equal rows give equal bytes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import attempt
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.artifacts import embeddings, manifest
from sslkit.artifacts.embeddings import Block
from sslkit.errors import DataError, SslkitError, UsageError

WIDTH = 4
MADE = manifest.make("embed", {"pooling": "mean"}, results={"records": 3})


def block(row: int, rows: int | None = 1, label: str | None = None) -> Block:
    if rows is None:
        return Block(f"r{row}", row, 0, False, None, label)
    vectors = np.random.default_rng(row).normal(size=(rows, WIDTH)).astype(np.float32)
    span = np.arange(rows)
    return Block(f"r{row}", row, rows + 5, row % 2 == 1, vectors, label, span, span + 6)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    columns = embeddings.schema(WIDTH, labels=True, spans=True)
    blocks = [block(0, label="yes"), block(1, None), block(2, 3, "no"), block(3)]
    path = tmp_path / "e.parquet"
    assert embeddings.write(path, [embeddings.table(blocks, columns)], columns, MADE) == 6
    held = embeddings.read(path)
    assert held.manifest == MADE == embeddings.read_manifest(path)
    assert held.ids == ["r0", "r1", "r2", "r2", "r2", "r3"]
    assert held.rows.tolist() == [0, 1, 2, 2, 2, 3]
    assert held.lengths.tolist() == [6, 0, 8, 8, 8, 6]
    assert held.truncated.tolist() == [False] * 5 + [True]
    assert held.labels == ["yes", None, "no", "no", "no", None]
    assert held.starts is not None
    assert held.starts.tolist() == [0, -1, 0, 1, 2, 0]
    assert held.ends is not None
    assert held.ends.tolist() == [6, -1, 6, 7, 8, 6]
    assert held.present.tolist() == [True, False, True, True, True, True]
    assert np.isnan(held.vectors[1]).all()
    wanted = np.concatenate([b.vectors for b in blocks if b.vectors is not None])
    np.testing.assert_array_equal(held.vectors[held.present], wanted)


def test_other_tools_read_it(tmp_path: Path) -> None:
    columns = embeddings.schema(WIDTH, labels=False, spans=False)
    path = tmp_path / "e.parquet"
    embeddings.write(path, [embeddings.table([block(0), block(1, None)], columns)], columns, MADE)
    table = pq.read_table(path)
    wanted = np.random.default_rng(0).normal(size=WIDTH).astype(np.float32)
    assert table.column_names == ["id", "row", "embedding", "length", "truncated"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), WIDTH)
    assert table["embedding"].null_count == 1
    assert table.to_pandas()["embedding"][0].tolist() == wanted.tolist()
    assert manifest.from_json(table.schema.metadata[b"sslkit"].decode(), "") == MADE


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=8), st.integers(0, 60))
def test_bytes_do_not_depend_on_how_rows_are_divided(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], total: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    columns = embeddings.schema(WIDTH, labels=False, spans=True)
    blocks = [block(row, None if row % 7 == 3 else 1 + row % 3) for row in range(total)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "_GROUP_BYTES", 10 * 4 * WIDTH)
        embeddings.write(folder / "one", [embeddings.table(blocks, columns)], columns, MADE)
        parts, at = [], 0
        for cut in [*cuts, total]:
            parts.append(embeddings.table(blocks[at : at + cut], columns))
            at += cut
        embeddings.write(folder / "many", parts, columns, MADE)
    assert (folder / "one").read_bytes() == (folder / "many").read_bytes()
    held = embeddings.read(folder / "many")
    rows = [b.row for b in blocks for _ in range(1 if b.vectors is None else len(b.vectors))]
    assert held.rows.tolist() == rows


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no table of embeddings"):
        embeddings.read(tmp_path / "none.parquet")
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"embedding": [1.0], "x": [2]}), path)
    with pytest.raises(DataError, match="not a table of embeddings") as told:
        embeddings.read(path)
    assert "embedding, x" in told.value.why
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="not a table of embeddings"):
        embeddings.read(path)


def test_a_table_cut_short_is_refused(tmp_path: Path) -> None:
    columns = embeddings.schema(WIDTH, labels=False, spans=False)
    path = tmp_path / "e.parquet"
    embeddings.write(path, [embeddings.table([block(0)], columns)], columns, MADE)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError):
        embeddings.read(path)


def test_changed_bytes_never_end_the_process(tmp_path: Path) -> None:
    """Sizes of columns in the footer, too: Arrow's own accessors end the process on some."""
    columns = embeddings.schema(WIDTH, labels=False, spans=False)
    path = tmp_path / "e.parquet"
    embeddings.write(path, [embeddings.table([block(0), block(1)], columns)], columns, MADE)
    whole = path.read_bytes()
    right = embeddings.read(path).vectors
    for place in range(len(whole) - 1200, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        loaded = attempt(lambda: embeddings.read(path))
        if not isinstance(loaded, SslkitError):
            np.testing.assert_array_equal(loaded.vectors, right)
