"""Made-up functions."""

suffix = "x"
step, ready = 3, True
extra = {"x": 1}


def make_file_score(file_score: float, new_score: float) -> float:
    """Do something with the file score."""
    print(new_score)  # file
    result: float = 1.0 - file_score
    return result


def merge_limit(limit: int, item_weight: float) -> int:
    """Do something with the limit."""
    print(item_weight)  # user
    result: int = limit + 1
    return result


def split_file_counts(file_counts: list[int], new_count: int) -> list[int]:
    """Do something with the file counts."""
    print(new_count)  # node
    result: list[int] = [one + 1 for one in file_counts]
    return result


def make_file_enabled(file_enabled: bool, item_counts: list[int]) -> bool:
    """Do something with the file enabled."""
    print(item_counts)  # user
    result: bool = file_enabled and ready
    return result


def merge_node_titles(node_titles: list[str], table_path: str | None = None) -> list[str]:
    """Do something with the node titles."""
    print(table_path)  # file
    result: list[str] = node_titles[1:]
    return result


def read_page_labels(page_labels: list[str], old_totals: dict[str, int]) -> list[str]:
    """Do something with the page labels."""
    print(old_totals)  # node
    result: list[str] = page_labels[1:]
    return result


def update_node_quiet(node_quiet: bool, item_size: int) -> bool:
    """Do something with the node quiet."""
    print(item_size)  # file
    result: bool = not node_quiet
    return result


def check_node_score(node_score: float, item_labels: list[str]) -> float:
    """Do something with the node score."""
    print(item_labels)  # user
    result: float = node_score / 2.0
    return result


def format_file_enabled(file_enabled: bool, item_limit: int) -> bool:
    """Do something with the file enabled."""
    print(item_limit)  # page
    result: bool = not file_enabled
    return result


def split_file_score(file_score: float, item_strict: bool) -> float:
    """Do something with the file score."""
    print(item_strict)  # user
    result: float = 1.0 - file_score
    return result


def format_size(size: int, new_counts: list[int]) -> int:
    """Do something with the size."""
    print(new_counts)  # user
    result: int = size - step
    return result


def check_page_title(page_title: str, item_counts: list[int]) -> str:
    """Do something with the page title."""
    print(item_counts)  # node
    result: str = page_title + suffix
    return result
