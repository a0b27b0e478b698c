"""Where a stage may write: what is somebody else's, an input, or no place at all is refused."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import destination, kinds, manifest
from sslkit.artifacts.kinds import Kind
from sslkit.errors import DataError, ResourceError, SslkitError, UsageError
from sslkit.figures import SOFTWARE


@dataclass(frozen=True)
class Options:
    """Options of a stage."""

    input: list[Path] = field(default_factory=list)
    checkpoint: Path | None = None
    out: Path | None = None
    force: bool = True


def write_table(path: Path, stage: str) -> Path:
    made = manifest.make(stage, {}).to_json().encode()
    table = pa.table({"id": ["a"]}).replace_schema_metadata({manifest.METADATA_KEY: made})
    pq.write_table(table, path)
    return path


def write_png(path: Path, software: str) -> Path:
    text = b"Software\0" + software.encode()
    head = len(b"x" * 13).to_bytes(4) + b"IHDR" + b"x" * 13 + b"crc!"
    chunk = len(text).to_bytes(4) + b"tEXt" + text + b"crc!"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk + (0).to_bytes(4) + b"IDAT")
    return path


def write_folder(path: Path, name: str, stated: object) -> Path:
    path.mkdir()
    (path / name).write_text(json.dumps(stated))
    return path


def refused(out: Path, kind: Kind, options: Options | None = None) -> type[SslkitError] | None:
    try:
        destination.check(out, kind, options or Options())
    except SslkitError as error:
        return type(error)
    return None


RUN = {"seed": 1, "plugins": {"model": {}}}
TUNED = {"seed": 1, "plugins": {"model": {}, "adaptation": {}}}
WRITTEN: dict[str, tuple[Kind, Callable[[Path], Path]]] = {
    "vocab.parquet": (kinds.VOCABULARY, lambda p: write_table(p, "build-vocab")),
    "embeddings.parquet": (kinds.EMBEDDINGS, lambda p: write_table(p, "embed")),
    "scores.parquet": (kinds.SCORES, lambda p: write_table(p, "score")),
    "retrieval.parquet": (kinds.RETRIEVAL, lambda p: write_table(p, "retrieve")),
    "vocab.png": (kinds.picture("build-vocab"), lambda p: write_png(p, SOFTWARE + "build-vocab")),
    "scaling.png": (kinds.picture("scaling"), lambda p: write_png(p, SOFTWARE + "scaling")),
    "pretrained": (kinds.PRETRAINED, lambda p: write_folder(p, "run.json", RUN)),
    "finetuned": (kinds.FINETUNED, lambda p: write_folder(p, "run.json", TUNED)),
    "probed": (kinds.PROBED, lambda p: write_folder(p, "probe.json", {"stage": "probe"})),
    "part-1-of-2": (
        kinds.SHARED,
        lambda p: write_folder(p, "share.json", {"made": '{"stage": "build-vocab"}'}),
    ),
    "e.parquet.parts": (
        kinds.parts("embed"),
        lambda p: write_folder(p, "job.json", {"stage": "embed"}),
    ),
    "s.parquet.parts": (
        kinds.parts("score"),
        lambda p: write_folder(p, "job.json", {"stage": "score"}),
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_only_what_is_of_the_same_kind_is_replaced(tmp_path: Path, name: str) -> None:
    kind, write = WRITTEN[name]
    path = write(tmp_path / name)
    taken = [k.noun for k, _ in WRITTEN.values() if refused(path, k) is None]
    assert taken == [kind.noun]


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda p: p.write_text("mine"),
    "nothing": lambda p: p.touch(),
    "a table": lambda p: pq.write_table(pa.table({"token": ["a"], "id": [0], "count": [1]}), p),
    "a picture": lambda p: write_png(p, "Matplotlib version3.10"),
    "a damaged table": lambda p: p.write_bytes(b"PAR1 cut off"),
    "a folder of files": lambda p: write_folder(p, "thesis.json", {}),
    "a folder of other runs": lambda p: write_folder(p, "run.json", {"plugins": [1]}),
    "a folder with a lock of another": lambda p: write_folder(p, "lock", "12"),
    "a link to nothing": lambda p: p.symlink_to("nowhere"),
    "a link to a file": lambda p: p.symlink_to(__file__),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("force", [False, True])
def test_what_sslkit_did_not_write_is_nobody_s_to_replace(
    tmp_path: Path, what: str, force: bool
) -> None:
    FOREIGN[what](tmp_path / "out")
    codes = {refused(tmp_path / "out", kind, Options(force=force)) for kind, _ in WRITTEN.values()}
    assert codes == {UsageError}


def test_a_folder_is_taken_while_it_is_empty_or_was_never_begun(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert refused(tmp_path / "run", kinds.PRETRAINED) is None
    (tmp_path / "run" / "lock").write_text("process 12 on node3")
    (tmp_path / "run" / ".run.json.ab12cd_9.part").touch()
    assert refused(tmp_path / "run", kinds.PRETRAINED) is None
    (tmp_path / "run" / "config.toml").touch()
    assert refused(tmp_path / "run", kinds.PRETRAINED) is UsageError


def test_a_probe_that_was_killed_before_its_report_goes_on(tmp_path: Path) -> None:
    (tmp_path / "probed").mkdir()
    write_table(tmp_path / "probed" / "predictions.parquet", "probe")
    assert refused(tmp_path / "probed", kinds.PROBED) is None
    write_table(tmp_path / "probed" / "predictions.parquet", "finetune")
    assert refused(tmp_path / "probed", kinds.PROBED) is UsageError


@pytest.mark.parametrize("text", ['{"seed": ', "\udcff"])
def test_a_damaged_owner_is_bad_data(tmp_path: Path, text: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert refused(tmp_path / "run", kinds.PRETRAINED) is DataError


def test_parts_of_another_stage_or_of_nobody_stand_in_the_way(tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    parts = write_folder(tmp_path / "x.parquet.parts", "job.json", {"stage": "score"})
    assert refused(out, kinds.SCORES) is None
    assert refused(out, kinds.EMBEDDINGS) is UsageError
    (parts / "job.json").rename(parts / "notes.json")
    assert refused(out, kinds.SCORES) is UsageError
    write_table(out, "score")
    assert refused(out, kinds.SCORES, Options(force=False)) is None  # It is finished.


@pytest.mark.parametrize(
    "name",
    ["-", "x.csv", "x.tsv", "x.parquet.gz", "x.png", "x.npy", "x.JSON", "é" * 130 + ".parquet",
     "d" * 300 + "/x.parquet", "/".join(["d" * 200] * 21) + "/x.parquet", "file.txt/x.parquet",
     "file.txt/deep/x.parquet", "link/x.parquet", "loop/x.parquet", "a\0b.parquet", "/dev/null",
     "file.txt", "folder", ".", ".."],
)  # fmt: skip
def test_a_table_needs_a_name_and_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.txt").touch()
    Path("folder").mkdir()
    Path("link").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    assert refused(Path(name), kinds.EMBEDDINGS) is UsageError
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["x.parquet", "X.PARQUET", "x", "v1.2", "new/deep/x.parquet"])
def test_good_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(Path(name), kinds.EMBEDDINGS) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["/proc/x", "/proc/1/x", "/proc/new/x", "shut/x", "shut/new/x"])
def test_what_cannot_be_written_is_a_lack_of_a_resource(tmp_path: Path, name: str) -> None:
    (tmp_path / "shut").mkdir(mode=0o555)
    assert refused(tmp_path / name, kinds.EMBEDDINGS) is ResourceError
    assert refused(tmp_path / name, kinds.PRETRAINED) is ResourceError


def test_what_is_protected_is_not_replaced_but_may_be_finished(tmp_path: Path) -> None:
    out = write_table(tmp_path / "x.parquet", "embed")
    out.chmod(0o444)
    assert refused(out, kinds.EMBEDDINGS) is ResourceError
    assert refused(out, kinds.EMBEDDINGS, Options(force=False)) is None
    run = write_folder(tmp_path / "run", "run.json", RUN)
    run.chmod(0o555)
    assert refused(run, kinds.PRETRAINED, Options(force=False)) is ResourceError
    run.chmod(0o755)
    (run / "checkpoint.pt").touch()
    run.chmod(0o555)
    assert refused(run, kinds.PRETRAINED, Options(force=False)) is None
    assert refused(run, kinds.PRETRAINED) is ResourceError


@pytest.mark.parametrize("way", ["itself", "another spelling", "a link", "a hard link", "a folder"])
def test_an_output_is_no_input(tmp_path: Path, way: str) -> None:
    path = write_table(tmp_path / "x.parquet", "embed")
    (tmp_path / "d").mkdir()
    out = {
        "itself": path,
        "another spelling": tmp_path / "d" / ".." / "x.parquet",
        "a link": tmp_path / "link.parquet",
        "a hard link": tmp_path / "hard.parquet",
        "a folder": tmp_path / "linked" / "x.parquet",
    }[way]
    if way == "a link":
        out.symlink_to("x.parquet")
    if way == "a hard link":
        os.link(path, out)
    if way == "a folder":
        out.parent.symlink_to(tmp_path)
    for options in (Options(input=[tmp_path / "a.fa", path]), Options(checkpoint=path)):
        assert refused(out, kinds.EMBEDDINGS, options) is UsageError
    assert refused(out, kinds.EMBEDDINGS, Options(out=path)) is None
    with pytest.raises(UsageError):
        destination.check_corpus(out, kinds.EMBEDDINGS, [], (), [path])


def test_an_output_does_not_hold_an_input(tmp_path: Path) -> None:
    run = write_folder(tmp_path / "run", "run.json", RUN)
    (run / "corpus").mkdir()
    (run / "corpus" / "a.fa").touch()
    for name in ("run", "run/corpus", "run/corpus/a.fa", "run/corpus/*.fa", "run/absent.pt"):
        options = Options(input=[tmp_path / name])
        assert refused(run, kinds.PRETRAINED, options) is UsageError
    assert refused(run, kinds.PRETRAINED, Options(input=[tmp_path])) is None


def test_a_folder_for_a_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "there").mkdir()
    for name in ("file", "file/x", "file/x/y", "link", "link/x"):
        with pytest.raises(UsageError):
            destination.check_folder(tmp_path / name, "name another")
    for name in ("there", "there/x", "new", "new/x"):
        destination.check_folder(tmp_path / name, "name another")


def test_an_output_does_not_become_part_of_the_corpus(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (tmp_path / "link").symlink_to("corpus")

    def is_refused(name: str, kind: Kind, asked: str, *endings: str) -> bool:
        try:
            destination.check_corpus(tmp_path / name, kind, [tmp_path / asked], endings, [])
        except UsageError:
            return True
        return False

    table, run = kinds.EMBEDDINGS, kinds.PRETRAINED
    assert is_refused("corpus/x.parquet", table, "corpus", ".csv", ".parquet")
    assert is_refused("corpus/deep/x.parquet", table, "corpus", ".parquet")
    assert is_refused("link/x.parquet", table, "corpus", ".parquet")
    assert is_refused("corpus/x.parquet", table, "link", ".parquet")
    assert is_refused("corpus/x.parquet", table, "corpus/*.parquet")
    assert is_refused("corpus/run", run, "corpus", ".py", ".toml")
    assert is_refused("corpus/x.parquet", table, "corpus", "")
    assert not is_refused("corpus/x.parquet", table, "corpus", ".fa")
    assert not is_refused("x.parquet", table, "corpus", ".parquet")
    assert not is_refused("corpus/run", run, "corpus", ".fa")
    assert not is_refused("x.parquet", table, "*.fa")
