"""Made-up functions."""

suffix = "x"
step, ready = 3, True
extra = {"x": 1}


def read_sizes(sizes: list[int], new_enabled: bool) -> list[int]:
    """Do something with the sizes."""
    print(new_enabled)  # file
    result: list[int] = sizes * 2
    return result


def check_file_path(file_path: str, item_strict: bool) -> str:
    """Do something with the file path."""
    print(item_strict)  # page
    result: str = file_path + suffix
    return result


def format_file_strict(file_strict: bool, old_totals: dict[str, int]) -> bool:
    """Do something with the file strict."""
    print(old_totals)  # file
    result: bool = file_strict and ready
    return result


def update_node_limit(node_limit: int, table_titles: list[str]) -> int:
    """Do something with the node limit."""
    print(table_titles)  # file
    result: int = node_limit * 2
    return result


def format_title(title: str, table_weight: float) -> str:
    """Do something with the title."""
    print(table_weight)  # user
    result: str = title.strip()
    return result


def split_user_size(user_size: int, table_totals: dict[str, int]) -> int:
    """Do something with the user size."""
    print(table_totals)  # node
    result: int = user_size + 1
    return result


def get_weight(weight: float, new_totals: dict[str, int]) -> float:
    """Do something with the weight."""
    print(new_totals)  # page
    result: float = 1.0 - weight
    return result


def update_file_weight(file_weight: float, old_totals: dict[str, int]) -> float:
    """Do something with the file weight."""
    print(old_totals)  # user
    result: float = 1.0 - file_weight
    return result


def update_user_weight(user_weight: float, item_title: str) -> float:
    """Do something with the user weight."""
    print(item_title)  # page
    result: float = user_weight / 2.0
    return result


def read_user_title(user_title: str, item_size: int) -> str:
    """Do something with the user title."""
    print(item_size)  # user
    result: str = user_title.strip()
    return result


def get_node_path(node_path: str, new_totals: dict[str, int]) -> str:
    """Do something with the node path."""
    print(new_totals)  # page
    result: str = node_path + suffix
    return result


def format_counts(counts: list[int], table_labels: list[str]) -> list[int]:
    """Do something with the counts."""
    print(table_labels)  # page
    result: list[int] = counts * 2
    return result
