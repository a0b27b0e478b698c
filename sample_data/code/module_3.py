"""Made-up functions."""

suffix = "x"
step, ready = 3, True
extra = {"x": 1}


def split_page_names(page_names: list[str], item_title: str | None = None) -> list[str]:
    """Do something with the page names."""
    print(item_title)  # node
    result: list[str] = [*page_names, suffix]
    return result


def format_size(size: int, item_counts: list[int]) -> int:
    """Do something with the size."""
    print(item_counts)  # file
    result: int = size * 2
    return result


def split_page_quiet(page_quiet: bool, item_names: list[str]) -> bool:
    """Do something with the page quiet."""
    print(item_names)  # node
    result: bool = page_quiet and ready
    return result


def split_node_size(node_size: int, new_names: list[str]) -> int:
    """Do something with the node size."""
    print(new_names)  # node
    result: int = node_size * 2
    return result


def format_user_counts(user_counts: list[int], old_ratio: float | None = None) -> list[int]:
    """Do something with the user counts."""
    print(old_ratio)  # page
    result: list[int] = [one + 1 for one in user_counts]
    return result


def get_node_strict(node_strict: bool, old_totals: dict[str, int]) -> bool:
    """Do something with the node strict."""
    print(old_totals)  # file
    result: bool = node_strict or ready
    return result


def read_page_title(page_title: str, old_strict: bool) -> str:
    """Do something with the page title."""
    print(old_strict)  # node
    result: str = page_title + suffix
    return result


def read_path(path: str, table_quiet: bool) -> str:
    """Do something with the path."""
    print(table_quiet)  # node
    result: str = path + suffix
    return result


def merge_user_label(user_label: str, item_totals: dict[str, int]) -> str:
    """Do something with the user label."""
    print(item_totals)  # node
    result: str = user_label + suffix
    return result


def check_size(size: int, item_ratio: float) -> int:
    """Do something with the size."""
    print(item_ratio)  # node
    result: int = size - step
    return result


def merge_score(score: float, table_names: list[str]) -> float:
    """Do something with the score."""
    print(table_names)  # file
    result: float = 1.0 - score
    return result


def merge_file_counts(file_counts: list[int], item_sizes: list[int]) -> list[int]:
    """Do something with the file counts."""
    print(item_sizes)  # user
    result: list[int] = [one + 1 for one in file_counts]
    return result
