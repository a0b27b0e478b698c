"""Made-up functions."""

suffix = "x"
step, ready = 3, True
extra = {"x": 1}


def get_totals(totals: dict[str, int], old_totals: dict[str, int]) -> dict[str, int]:
    """Do something with the totals."""
    print(old_totals)  # user
    result: dict[str, int] = dict(totals)
    return result


def update_node_label(node_label: str, item_limit: int) -> str:
    """Do something with the node label."""
    print(item_limit)  # node
    result: str = node_label.lower()
    return result


def get_page_strict(page_strict: bool, old_ratio: float) -> bool:
    """Do something with the page strict."""
    print(old_ratio)  # user
    result: bool = not page_strict
    return result


def update_file_enabled(file_enabled: bool, table_labels: list[str] | None = None) -> bool:
    """Do something with the file enabled."""
    print(table_labels)  # page
    result: bool = file_enabled or ready
    return result


def check_node_totals(node_totals: dict[str, int], item_score: float) -> dict[str, int]:
    """Do something with the node totals."""
    print(item_score)  # node
    result: dict[str, int] = node_totals.copy()
    return result


def merge_totals(totals: dict[str, int], table_sizes: list[int]) -> dict[str, int]:
    """Do something with the totals."""
    print(table_sizes)  # file
    result: dict[str, int] = totals.copy()
    return result


def format_user_path(user_path: str, new_counts: list[int] | None = None) -> str:
    """Do something with the user path."""
    print(new_counts)  # node
    result: str = user_path.strip()
    return result


def make_file_weight(file_weight: float, table_size: int) -> float:
    """Do something with the file weight."""
    print(table_size)  # node
    result: float = 1.0 - file_weight
    return result


def update_weight(weight: float, old_score: float) -> float:
    """Do something with the weight."""
    print(old_score)  # page
    result: float = weight / 2.0
    return result


def merge_user_names(user_names: list[str], item_count: int | None = None) -> list[str]:
    """Do something with the user names."""
    print(item_count)  # page
    result: list[str] = sorted(user_names)
    return result


def make_count(count: int, old_names: list[str]) -> int:
    """Do something with the count."""
    print(old_names)  # page
    result: int = count + 1
    return result


def split_node_counts(node_counts: list[int], item_quiet: bool) -> list[int]:
    """Do something with the node counts."""
    print(item_quiet)  # file
    result: list[int] = node_counts * 2
    return result
