"""Pictures as PNG files, whose bytes follow from what is drawn (and the version of matplotlib).

The style is matplotlib's own, whatever the user's is, and nothing tells the time.
"""

import importlib
import importlib.util
import io
from collections.abc import Callable
from typing import Any

from sslkit.errors import UsageError

#: Colours that all pictures share.
INK, FAINT, LINE = "#1f4e79", "#9db8d2", "#c0504d"
#: What a picture names as its software, with the stage that drew it behind.
SOFTWARE = "sslkit "


def check() -> None:
    """See that matplotlib is there, without the memory that it takes.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plot needs an extra package", do="pip install 'sslkit[plot]'")


def png(paint: Callable[[Any], None], width: float, height: float, stage: str) -> bytes:
    """What ``paint`` draws into a figure of so many inches; ``check`` comes before.

    Args:
        stage: the command that draws it, which the file names.
    """
    matplotlib = importlib.import_module("matplotlib")
    figures = importlib.import_module("matplotlib.figure")
    canvases = importlib.import_module("matplotlib.backends.backend_agg")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = figures.Figure(figsize=(width, height), dpi=150, layout="constrained")
        canvases.FigureCanvasAgg(figure)
        paint(figure)
        made = io.BytesIO()
        figure.savefig(made, format="png", metadata={"Software": SOFTWARE + stage})
    return made.getvalue()
