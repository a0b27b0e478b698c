"""Labels of units as a table: what is written is read, equal tables have equal bytes."""

from pathlib import Path

import pyarrow.parquet as pq

from sslkit.artifacts import manifest, tags
from sslkit.artifacts.tags import TagTable


def test_a_row_for_each_record_and_model(tmp_path: Path) -> None:
    held = TagTable(
        ["x", "x"], [3, 3], ["test"] * 2, ["HE?"] * 2, ["HHC", "EEC"], models=["a", "b"]
    )
    made = manifest.make("probe", {"seed": 1})
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for path in paths:
        tags.save(path, held, made.to_json())
    found = pq.read_table(paths[0])
    assert found.to_pydict() == {
        "model": ["a", "b"],
        "id": ["x", "x"],
        "row": [3, 3],
        "split": ["test", "test"],
        "label": ["HE?", "HE?"],
        "prediction": ["HHC", "EEC"],
    }
    assert manifest.from_json(found.schema.metadata[b"sslkit"].decode(), "x") == made
    assert paths[0].read_bytes() == paths[1].read_bytes()
