"""guide: list the pages of the guide, or show one.

    sslkit guide training

On a terminal a page is laid out; into a pipe or a file it goes as it is written.
"""

import difflib
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console as Terminal
from rich.markdown import Markdown

from sslkit.console import Console
from sslkit.errors import UsageError

_PAGES = Path(__file__).parents[2] / "guide"
_WIDEST = 100


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of guide; the command line explains them."""

    name: str | None


def run(options: Options, console: Console) -> None:
    """Show a page, or list all; see the command's help.

    Raises:
        UsageError: there is no such page.
    """
    pages = {path.stem: path.read_text("utf-8") for path in sorted(_PAGES.glob("*.md"))}
    if options.name is None:
        titles = {name: text.partition("\n")[0].lstrip("# ") for name, text in pages.items()}
        width = max(map(len, titles))
        lines = [f"{name:<{width}}  {title}" for name, title in titles.items()]
        console.result(titles, "\n".join(lines))
        return
    if options.name not in pages:
        close = difflib.get_close_matches(options.name, pages, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"the guide has no page {options.name!r}", do=f"{hint}there is: {', '.join(pages)}"
        )
    text = pages[options.name]
    if console.as_json or not sys.stdout.isatty():
        console.result({"name": options.name, "markdown": text}, text.rstrip("\n"))
    else:
        terminal = Terminal()
        terminal.print(Markdown(text), width=min(terminal.width, _WIDEST))
