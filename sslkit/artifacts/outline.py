"""What a checkpoint says and holds, read without torch, whose import takes seconds.

A file of ``torch.save`` is a ZIP archive of a pickle and the bytes of its tensors. Here the pickle
is read with stand-ins for tensors, which know their shape alone.
"""

import io
import math
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit.artifacts import archive, manifest
from sslkit.errors import DataError, UsageError

#: The file inside a run's folder.
NAME = "checkpoint.pt"
# A changed byte can send the unpickler anywhere: each of these was seen.
DAMAGE = (
    RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError, LookupError, TypeError,
    AttributeError,
)  # fmt: skip
_FIELDS: dict[str, Any] = {"manifest": str, "tensors": dict, "tokens": str | list}


@dataclass(frozen=True)
class Tensor:
    """A tensor's shape."""

    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Outline:
    """What a checkpoint says of its making, and how much it holds.

    Attributes:
        tensors: shapes of each part by the part's name.
        tokens: the vocabulary, or empty for domains without one.
    """

    manifest: manifest.Manifest
    tensors: dict[str, dict[str, Tensor]]
    tokens: tuple[str, ...]


def load(path: Path) -> Outline:
    """Read of a checkpoint, or of the one in a run's folder, what needs no tensors.

    Raises:
        UsageError: there is none.
        DataError: not a checkpoint, damaged, or of an unknown format.
    """
    path = locate(path)
    archive.check(path)
    try:
        with zipfile.ZipFile(path) as file:
            (name,) = [name for name in file.namelist() if name.endswith("/data.pkl")]
            content = _Reader(io.BytesIO(file.read(name))).load()
    except DAMAGE as error:
        raise unreadable(path) from error
    return Outline(*stated(content, path, lambda value: isinstance(value, Tensor)))


def stated(
    content: Any, path: Path, is_tensor: Callable[[Any], bool]
) -> tuple[manifest.Manifest, Any, tuple[str, ...]]:
    """The manifest, the tensors by part and the tokens that the content of a file states.

    Args:
        is_tensor: whether an object is a tensor that is whole.

    Raises:
        DataError: it is not the content of a checkpoint.
    """
    if not isinstance(content, dict):
        raise not_ours(path, f"it holds one {type(content).__name__}")
    for name, kind in _FIELDS.items():
        if not isinstance(content.get(name), kind):
            raise not_ours(path, f"it lacks {name!r}")
    if not is_tensor(content.get("counts")):
        raise not_ours(path, "it lacks 'counts'")
    made = manifest.from_json(content["manifest"], str(path))
    tokens, counts, parts = unpacked(content["tokens"]), content["counts"], content["tensors"]
    if tuple(counts.shape) != (len(tokens),):
        raise DataError(
            "the vocabulary of a checkpoint is damaged",
            where=str(path),
            why=f"{len(tokens)} tokens, and counts of shape {list(counts.shape)}",
        )
    check_parts(parts, path, is_tensor)
    return made, parts, tokens


def check_parts(parts: Any, path: Path, is_tensor: Callable[[Any], bool]) -> None:
    """Refuse what is not the ``state_dict`` of each part of a learner, by the part's name.

    Raises:
        DataError: it is something else, or a tensor claims more numbers than the file holds.
    """
    right = isinstance(parts, dict) and all(
        isinstance(name, str)
        and isinstance(part, dict)
        and all(isinstance(n, str) and is_tensor(value) for n, value in part.items())
        for name, part in parts.items()
    )
    if not right:
        raise DataError(
            "the tensors of a checkpoint are not as sslkit writes them",
            where=str(path),
            do="make it again",
        )


def packed(tokens: tuple[str, ...]) -> str | list[str]:
    """Tokens as a file holds them: one a line, or a list where a token is or has a line's end."""
    lines = "\n".join(tokens)
    return lines if unpacked(lines) == tokens else list(tokens)


def unpacked(tokens: str | list[Any]) -> tuple[str, ...]:
    """Tokens that a file holds as ``packed``."""
    if isinstance(tokens, str):
        return tuple(tokens.split("\n")) if tokens else ()
    return tuple(map(str, tokens))


def locate(path: Path) -> Path:
    """``path``, or the checkpoint in it where it is a run's folder.

    Raises:
        UsageError: there is none.
    """
    file = path / NAME if path.is_dir() else path
    if not file.is_file():
        raise UsageError(
            f"there is no checkpoint {file}",
            do="run sslkit pretrain first, or name a checkpoint with --checkpoint",
        )
    return file


def not_ours(path: Path, why: str) -> DataError:
    """The error of a file of tensors that no stage wrote."""
    return DataError("this is not a checkpoint of sslkit", where=str(path), why=why)


def unreadable(path: Path) -> DataError:
    """The error of a file whose pickle cannot be read."""
    # What torch says would advise to load it in a way that executes what it holds.
    return DataError(
        "a checkpoint cannot be loaded",
        where=str(path),
        why="it is not as torch.save writes tensors and plain types; nothing was executed",
        do="use a checkpoint that sslkit wrote, or make it again",
    )


class _Reader(pickle.Unpickler):
    """Reads plain types, and stand-ins for tensors; knows no other class or function."""

    def find_class(self, module: str, name: str, /) -> Any:
        """A stand-in for what the pickle of a checkpoint names.

        Raises:
            UnpicklingError: it names something else.
        """
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name.endswith("Storage"):
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a checkpoint")

    def persistent_load(self, pid: Any, /) -> int:
        """How many numbers the bytes of a tensor are."""
        _, _, _, _, count = pid
        return int(count)


def _tensor(count: int, _first: int, shape: tuple[int, ...], _steps: Any, *_: Any) -> Tensor:
    """What stands for a tensor in so many numbers.

    Raises:
        ValueError: it claims more of them.
    """
    tensor = Tensor(tuple(map(int, shape)))
    if tensor.size > count:
        raise ValueError(f"a tensor of {tensor.size} numbers in {count}")
    return tensor
