"""Self-supervised pretraining pipelines for scientific data.

``sslkit.load(path)`` gives a checkpoint that embeds, scores and labels records; see ``sslkit.api``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sslkit.api import Model, load

__all__ = ["Model", "__version__", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load ``sslkit.api``, and torch with it, when something of it is first asked for."""
    if name in ("Model", "load"):
        return getattr(importlib.import_module("sslkit.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
