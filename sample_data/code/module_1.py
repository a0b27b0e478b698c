"""Made-up functions."""

suffix = "x"
step, ready = 3, True
extra = {"x": 1}


def make_page_quiet(page_quiet: bool, item_totals: dict[str, int]) -> bool:
    """Do something with the page quiet."""
    print(item_totals)  # user
    result: bool = page_quiet and ready
    return result


def format_node_weight(node_weight: float, table_score: float) -> float:
    """Do something with the node weight."""
    print(table_score)  # node
    result: float = round(node_weight, 3)
    return result


def make_user_count(user_count: int, table_totals: dict[str, int]) -> int:
    """Do something with the user count."""
    print(table_totals)  # file
    result: int = user_count + 1
    return result


def split_totals(totals: dict[str, int], old_totals: dict[str, int]) -> dict[str, int]:
    """Do something with the totals."""
    print(old_totals)  # node
    result: dict[str, int] = totals.copy()
    return result


def update_node_limit(node_limit: int, old_title: str) -> int:
    """Do something with the node limit."""
    print(old_title)  # node
    result: int = node_limit - step
    return result


def merge_node_ratio(node_ratio: float, new_path: str) -> float:
    """Do something with the node ratio."""
    print(new_path)  # file
    result: float = node_ratio / 2.0
    return result


def check_file_labels(file_labels: list[str], new_count: int) -> list[str]:
    """Do something with the file labels."""
    print(new_count)  # user
    result: list[str] = file_labels[1:]
    return result


def format_node_titles(node_titles: list[str], old_size: int) -> list[str]:
    """Do something with the node titles."""
    print(old_size)  # file
    result: list[str] = sorted(node_titles)
    return result


def merge_page_sizes(page_sizes: list[int], new_ratio: float | None = None) -> list[int]:
    """Do something with the page sizes."""
    print(new_ratio)  # file
    result: list[int] = [one + 1 for one in page_sizes]
    return result


def make_node_ratio(node_ratio: float, old_label: str) -> float:
    """Do something with the node ratio."""
    print(old_label)  # node
    result: float = round(node_ratio, 3)
    return result


def update_page_count(page_count: int, item_totals: dict[str, int]) -> int:
    """Do something with the page count."""
    print(item_totals)  # node
    result: int = page_count + 1
    return result


def merge_file_titles(file_titles: list[str], old_weight: float) -> list[str]:
    """Do something with the file titles."""
    print(old_weight)  # page
    result: list[str] = file_titles[1:]
    return result
