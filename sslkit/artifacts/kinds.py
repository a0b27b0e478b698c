"""What stands at a path already: which stage of sslkit wrote it, as its own manifest says.

Every output carries the name of its stage: tables in their schema, folders in a file of a fixed
name, pictures as the name of the software, job scripts in a comment. What carries none is somebody
else's.
"""

import json
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from sslkit import figures
from sslkit.artifacts.manifest import METADATA_KEY
from sslkit.errors import DataError
from sslkit.files import folder

#: The files that say whose a folder is.
RUN, REPORT, SHARE, JOB = "run.json", "probe.json", "share.json", "job.json"
#: The comment that says whose a job script is.
SCRIPT_MARK = "# Written by sslkit slurm."
_LOCK, _LOCK_TEXT = "lock", b"process "
_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD_BYTES = 4096

Form = Literal["table", "picture", "script", "run", "report", "share", "parts"]


@dataclass(frozen=True)
class Kind:
    """A sort of output: what a stage writes in one form.

    Attributes:
        noun: what it is called, as in "this is no vocabulary".
        stage: the command that writes it, as manifests name it.
        names: of a folder, the files that are written into it and that a corpus could take in.
        last: of a folder, the file that is written when all is done.
        has_parts: whether finished parts are kept beside it until it is whole.
    """

    noun: str
    stage: str
    form: Form
    names: tuple[str, ...] = ()
    last: str = ""
    has_parts: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of files."""
        return self.form in _FOLDERS

    def is_finished(self, path: Path) -> bool:
        """Whether nothing more is written to a path of this kind, unless by force."""
        return path.is_file() or bool(self.last and (path / self.last).is_file())


_RUN_NAMES = (
    *("checkpoint.pt", "config.toml", "metrics.jsonl", "log.jsonl", RUN, "state.pt"),
    *("predictions.parquet", "schedule.png", "solution.png"),
)
VOCABULARY = Kind("vocabulary", "build-vocab", "table")
SHARED = Kind("share of a vocabulary", "build-vocab", "share", (SHARE,), SHARE)
EMBEDDINGS = Kind("table of embeddings", "embed", "table", has_parts=True)
SCORES = Kind("table of scores", "score", "table", has_parts=True)
RETRIEVAL = Kind("table of a retrieval", "retrieve", "table")
PRETRAINED = Kind("folder of pretraining", "pretrain", "run", _RUN_NAMES, "checkpoint.pt")
FINETUNED = Kind("folder of fine-tuning", "finetune", "run", _RUN_NAMES, "checkpoint.pt")
PROBED = Kind("folder of a probe", "probe", "report", (REPORT, "predictions.parquet"), REPORT)
SCRIPT = Kind("job script", "slurm", "script")


def picture(stage: str) -> Kind:
    """A picture that a stage draws."""
    return Kind(f"picture by sslkit {stage}", stage, "picture")


def parts(stage: str) -> Kind:
    """The finished parts of a table, beside it."""
    return Kind(f"folder of parts by sslkit {stage}", stage, "parts")


def parts_of(out: Path) -> Path:
    """Where the parts of an output are kept: beside it."""
    return out.with_name(out.name + ".parts")


def is_of(path: Path, kind: Kind) -> bool:
    """Whether what stands at ``path`` was written as that kind; of a folder, or is empty yet.

    Raises:
        DataError: the file that says whose a folder is is damaged.
    """
    if kind.is_folder:
        return path.is_dir() and (_folder_stage(path, kind.form) == kind.stage or is_unused(path))
    return origin(path) == (kind.form, kind.stage)


def origin(path: Path) -> tuple[Form, str] | None:
    """The form and the stage of what stands at ``path``; None where sslkit did not write it."""
    if path.is_dir():
        for form in _FOLDERS:
            with suppress(DataError):
                if stage := _folder_stage(path, form):
                    return form, stage
        return None
    for form, read in _FILES.items():
        try:
            if stage := read(path):
                return form, stage
        except (OSError, pa.ArrowException, ValueError, LookupError, TypeError, AttributeError):
            continue
    return None


def is_unused(path: Path) -> bool:
    """Whether a folder holds nothing, or only what a run that did not begin left in it."""
    return all(folder.TEMPORARY.fullmatch(file.name) or _is_lock(file) for file in path.iterdir())


def _is_lock(path: Path) -> bool:
    if path.name != _LOCK or not path.is_file():
        return False
    text = path.read_bytes()
    return not text or text.startswith(_LOCK_TEXT)


def _folder_stage(path: Path, form: Form) -> str | None:
    name, stage_in = _FOLDERS[form]
    try:
        stated = json.loads((path / name).read_text("utf-8"))
    except FileNotFoundError:
        # The report of a probe is written after its predictions.
        table = path / "predictions.parquet"
        is_probe = form == "report" and origin(table) == ("table", "probe")
        return "probe" if is_probe else None
    except (OSError, ValueError) as error:
        raise DataError(
            "a folder does not say which stage wrote it",
            where=str(path / name),
            why=str(error),
            do="choose another folder with --out, or remove this one",
        ) from error
    try:
        return str(stage_in(stated))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _stage_of_run(identity: Mapping[str, Any]) -> str:
    plugins = dict(identity["plugins"])
    return "finetune" if "adaptation" in plugins and "seed" in identity else "pretrain"


_FOLDERS: dict[Form, tuple[str, Callable[[Any], str]]] = {
    "run": (RUN, _stage_of_run),
    "report": (REPORT, lambda stated: stated["stage"]),
    "share": (SHARE, lambda stated: json.loads(stated["made"])["stage"]),
    "parts": (JOB, lambda identity: identity["stage"]),
}


def _stage_of_table(path: Path) -> str | None:
    with path.open("rb") as stream:
        if stream.read(4) != b"PAR1":
            return None
    text = (pq.read_schema(path).metadata or {})[METADATA_KEY]
    return str(json.loads(text)["stage"])


def _stage_of_picture(path: Path) -> str | None:
    with path.open("rb") as stream:
        if stream.read(len(_PNG)) != _PNG:
            return None
        while chunk := _text_chunk(stream):
            name, _, text = chunk.partition(b"\0")
            if name == b"Software" and text.startswith(figures.SOFTWARE.encode()):
                return text.decode().removeprefix(figures.SOFTWARE)
    return None


def _text_chunk(stream: IO[bytes]) -> bytes:
    """The next chunk of text of a PNG file; nothing where the picture begins."""
    while len(head := stream.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            return b""
        content = stream.read(min(size, _HEAD_BYTES))
        stream.seek(size - len(content) + 4, 1)
        if name == b"tEXt":
            return content
    return b""


def _stage_of_script(path: Path) -> str | None:
    with path.open("rb") as stream:
        lines = stream.read(_HEAD_BYTES).splitlines()
    return "slurm" if SCRIPT_MARK.encode() in lines[:2] else None


_FILES: dict[Form, Callable[[Path], str | None]] = {
    "table": _stage_of_table,
    "picture": _stage_of_picture,
    "script": _stage_of_script,
}
