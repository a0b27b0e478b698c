"""Making the next item of a stream while the last one is worked with."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """The same items, each made in another thread while the one before is in use.

    One item more is in memory. An error of the source is raised where its item would be.
    """
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(_following, items)
        while item := made.result():
            made = pool.submit(_following, items)
            yield item[0]


def _following(items: Iterator[_Item]) -> list[_Item]:
    return list(itertools.islice(items, 1))
