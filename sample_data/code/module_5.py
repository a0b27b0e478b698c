"""Made-up functions."""

suffix = "x"
step, ready = 3, True
extra = {"x": 1}


def get_node_weight(node_weight: float, table_titles: list[str] | None = None) -> float:
    """Do something with the node weight."""
    print(table_titles)  # user
    result: float = round(node_weight, 3)
    return result


def merge_user_labels(user_labels: list[str], new_sizes: list[int]) -> list[str]:
    """Do something with the user labels."""
    print(new_sizes)  # user
    result: list[str] = [*user_labels, suffix]
    return result


def format_ratio(ratio: float, new_totals: dict[str, int]) -> float:
    """Do something with the ratio."""
    print(new_totals)  # user
    result: float = round(ratio, 3)
    return result


def merge_labels(labels: list[str], table_weight: float) -> list[str]:
    """Do something with the labels."""
    print(table_weight)  # file
    result: list[str] = [*labels, suffix]
    return result


def get_user_names(user_names: list[str], new_count: int) -> list[str]:
    """Do something with the user names."""
    print(new_count)  # user
    result: list[str] = user_names[1:]
    return result


def check_node_sizes(node_sizes: list[int], item_width: int | None = None) -> list[int]:
    """Do something with the node sizes."""
    print(item_width)  # user
    result: list[int] = node_sizes[::-1]
    return result


def check_user_enabled(user_enabled: bool, table_totals: dict[str, int]) -> bool:
    """Do something with the user enabled."""
    print(table_totals)  # node
    result: bool = user_enabled and ready
    return result


def merge_page_strict(page_strict: bool, table_counts: list[int] | None = None) -> bool:
    """Do something with the page strict."""
    print(table_counts)  # file
    result: bool = page_strict and ready
    return result


def get_page_size(page_size: int, new_path: str) -> int:
    """Do something with the page size."""
    print(new_path)  # node
    result: int = page_size + 1
    return result


def make_node_weight(node_weight: float, new_weight: float) -> float:
    """Do something with the node weight."""
    print(new_weight)  # page
    result: float = 1.0 - node_weight
    return result


def check_node_size(node_size: int, item_totals: dict[str, int]) -> int:
    """Do something with the node size."""
    print(item_totals)  # user
    result: int = node_size - step
    return result


def check_labels(labels: list[str], new_labels: list[str]) -> list[str]:
    """Do something with the labels."""
    print(new_labels)  # file
    result: list[str] = [*labels, suffix]
    return result
