"""Subwords as a file of the tokenizers library, which cuts raw text as the vocabulary says."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sslkit.artifacts.manifest import Manifest
from sslkit.files import source
from sslkit.types import Spelling

#: Ends the name of the file for the tokenizers library.
ENDING = ".tokenizer.json"
# Such a special token is none inside of a word.
_WORD = re.compile(r"\w+")


def path_of(table: Path) -> Path:
    """The tokenizer file that belongs to a vocabulary: vocab.tokenizer.json."""
    return table.with_name(table.stem + ENDING)


def is_whole(table: Path, made: Manifest) -> bool:
    """Whether the tokenizer file that a vocabulary speaks of is there."""
    told = made.results.get("tokenizer_sha256")
    beside = path_of(table)
    return told is None or (beside.is_file() and source.digest(beside) == told)


def text(tokens: Sequence[str], spelling: Spelling, pattern: str) -> str:
    """The text of the file.

    Args:
        tokens: the vocabulary; its special tokens are whole words also where text is cut.
        pattern: a regular expression that finds words; what is between them is left out.
    """
    stated = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, "single_word": _WORD.fullmatch(token) is not None,
             "lstrip": False, "rstrip": False, "normalized": False, "special": True}
            for number, token in enumerate(tokens[: spelling.special])
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
        "model": _unigram(tokens, spelling) if len(spelling.scores) else _bpe(tokens, spelling),
    }  # fmt: skip
    return json.dumps(stated, ensure_ascii=False, separators=(",", ":")) + "\n"


def _bpe(tokens: Sequence[str], spelling: Spelling) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {token: number for number, token in enumerate(tokens)},
        "merges": [[tokens[left], tokens[right]] for left, right in spelling.merges.tolist()],
    }


def _unigram(tokens: Sequence[str], spelling: Spelling) -> dict[str, Any]:
    scores = spelling.scores
    # Special tokens are found before words are cut; no word shall be cut into them.
    never = scores[np.isfinite(scores)].min() - 1000.0
    vocab = zip(tokens, np.maximum(scores, never).tolist(), strict=True)
    return {"type": "Unigram", "unk_id": None, "vocab": list(vocab), "byte_fallback": False}
