"""Made-up functions."""

suffix = "x"
step, ready = 3, True
extra = {"x": 1}


def format_width(width: int, item_labels: list[str]) -> int:
    """Do something with the width."""
    print(item_labels)  # user
    result: int = width + 1
    return result


def read_page_path(page_path: str, item_names: list[str]) -> str:
    """Do something with the page path."""
    print(item_names)  # page
    result: str = page_path + suffix
    return result


def make_node_name(node_name: str, item_name: str) -> str:
    """Do something with the node name."""
    print(item_name)  # user
    result: str = node_name + suffix
    return result


def format_page_strict(page_strict: bool, old_labels: list[str]) -> bool:
    """Do something with the page strict."""
    print(old_labels)  # node
    result: bool = page_strict and ready
    return result


def check_node_ratio(node_ratio: float, old_totals: dict[str, int]) -> float:
    """Do something with the node ratio."""
    print(old_totals)  # file
    result: float = node_ratio / 2.0
    return result


def make_file_path(file_path: str, new_width: int) -> str:
    """Do something with the file path."""
    print(new_width)  # node
    result: str = file_path.strip()
    return result


def get_file_sizes(file_sizes: list[int], table_name: str) -> list[int]:
    """Do something with the file sizes."""
    print(table_name)  # file
    result: list[int] = [one + 1 for one in file_sizes]
    return result


def update_page_strict(page_strict: bool, table_quiet: bool) -> bool:
    """Do something with the page strict."""
    print(table_quiet)  # node
    result: bool = page_strict or ready
    return result


def read_page_width(page_width: int, table_size: int) -> int:
    """Do something with the page width."""
    print(table_size)  # page
    result: int = page_width + 1
    return result


def get_file_enabled(file_enabled: bool, old_totals: dict[str, int]) -> bool:
    """Do something with the file enabled."""
    print(old_totals)  # node
    result: bool = file_enabled and ready
    return result


def update_counts(counts: list[int], old_totals: dict[str, int]) -> list[int]:
    """Do something with the counts."""
    print(old_totals)  # file
    result: list[int] = [one + 1 for one in counts]
    return result


def get_node_totals(node_totals: dict[str, int], item_title: str | None = None) -> dict[str, int]:
    """Do something with the node totals."""
    print(item_title)  # node
    result: dict[str, int] = node_totals.copy()
    return result
