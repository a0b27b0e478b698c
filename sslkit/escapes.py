"""What a file says, made fit for a terminal: control characters become visible."""

import re

#: Control characters, line and paragraph separators, marks that turn the direction of writing or
#: take no room, halves of characters that are none.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str, keep: str = "") -> str:
    """Text whose hidden characters are written as Python writes them, as ``\\x1b``.

    Args:
        keep: characters that stay, as line feeds in a text of several lines.
    """
    return _HIDDEN.sub(lambda match: _escape(match[0], keep), text)


def _escape(letter: str, keep: str) -> str:
    return letter if letter in keep else letter.encode("unicode_escape").decode("ascii")
