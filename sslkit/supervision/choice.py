"""The supervision that a task names."""

from types import ModuleType
from typing import Any

from sslkit.contracts.supervision import Supervision
from sslkit.data.examples import RECORD, TOKEN, supervision_of
from sslkit.supervision import record, token

_CLASSES: dict[str, type[Supervision[Any]]] = {
    RECORD: record.Supervision,
    TOKEN: token.Supervision,
}


def objective(task: ModuleType) -> str:
    """The objective that fine-tuning trains on the labels of a task."""
    return _CLASSES[supervision_of(task)].OBJECTIVE


def of(task: ModuleType, settings: Any) -> Supervision[Any]:
    """How the labels of a task are read, learned, predicted and judged."""
    return _CLASSES[supervision_of(task)](task, settings)
