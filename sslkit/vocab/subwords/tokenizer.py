"""Subwords as a file of the tokenizers library, which cuts raw text as the vocabulary says."""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sslkit.artifacts.manifest import Manifest
from sslkit.errors import SslkitError, UsageError
from sslkit.files import source
from sslkit.vocab.subwords.subwords import Method, Words, spell

#: Ends the name of the file for the tokenizers library.
ENDING = ".tokenizer.json"


def path_of(table: Path) -> Path:
    """The tokenizer file that belongs to a vocabulary: vocab.tokenizer.json."""
    return table.with_name(table.stem + ENDING)


def is_whole(table: Path, made: Manifest) -> bool:
    """Whether the tokenizer file that a vocabulary speaks of is there."""
    told = made.results.get("tokenizer_sha256")
    beside = path_of(table)
    return told is None or (beside.is_file() and source.digest(beside) == told)


def library() -> Any:
    """The tokenizers package.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module("tokenizers")
    except ImportError as error:
        raise UsageError(
            "--subword needs an extra package", do="pip install 'sslkit[tokenizers]'"
        ) from error


def make(
    method: Method, number: dict[str, int], special: Sequence[str], pattern: str, sample: Words
) -> str:
    """The text of the file.

    Args:
        number: the id of every row of the vocabulary.
        special: tokens that are found in text before it is cut.
        pattern: a regular expression that finds words; what is between them is left out.
        sample: words that the library must cut as ``method`` does.

    Raises:
        UsageError: the library is not installed.
        SslkitError: it cuts a word otherwise.
    """
    stated = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number[token], "content": token, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
            for token in special
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed",
                 "invert": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                 "use_regex": False},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                    "use_regex": True},
        "model": method.model(number),
    }  # fmt: skip
    made = library().Tokenizer.from_str(json.dumps(stated))
    _agree(made.model, method, number, sample)
    return str(made.to_str()) + "\n"


def _agree(model: Any, method: Method, number: dict[str, int], sample: Words) -> None:
    ids = [number[spell(piece)] for piece in method.pieces]
    cuts: list[list[int]] = [[] for _ in sample.counts]
    for piece, place in zip(*map(list, method.cut(sample)), strict=True):
        cuts[place].append(ids[piece])
    letters = sample.letters.tobytes()
    for end, size, mine in zip(sample.ends, sample.lengths, cuts, strict=True):
        word = letters[end - size : end]
        theirs = [token.id for token in model.tokenize(spell(word))]
        if theirs != mine:
            raise SslkitError(
                "the tokenizers library cuts a word otherwise",
                where=repr(word),
                why=f"{theirs} instead of {mine}",
                do="install the version that sslkit is tested with (constraints.txt)",
            )
