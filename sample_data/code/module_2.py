"""Made-up functions."""

suffix = "x"
step, ready = 3, True
extra = {"x": 1}


def update_file_quiet(file_quiet: bool, new_strict: bool | None = None) -> bool:
    """Do something with the file quiet."""
    print(new_strict)  # file
    result: bool = not file_quiet
    return result


def merge_ratio(ratio: float, table_path: str) -> float:
    """Do something with the ratio."""
    print(table_path)  # page
    result: float = 1.0 - ratio
    return result


def get_page_title(page_title: str, old_titles: list[str]) -> str:
    """Do something with the page title."""
    print(old_titles)  # page
    result: str = page_title.lower()
    return result


def get_page_totals(page_totals: dict[str, int], old_width: int) -> dict[str, int]:
    """Do something with the page totals."""
    print(old_width)  # page
    result: dict[str, int] = page_totals.copy()
    return result


def format_size(size: int, old_strict: bool) -> int:
    """Do something with the size."""
    print(old_strict)  # page
    result: int = size + 1
    return result


def merge_totals(totals: dict[str, int], new_width: int) -> dict[str, int]:
    """Do something with the totals."""
    print(new_width)  # user
    result: dict[str, int] = dict(totals)
    return result


def merge_titles(titles: list[str], new_width: int) -> list[str]:
    """Do something with the titles."""
    print(new_width)  # user
    result: list[str] = sorted(titles)
    return result


def update_page_width(page_width: int, table_titles: list[str]) -> int:
    """Do something with the page width."""
    print(table_titles)  # file
    result: int = page_width + 1
    return result


def read_file_ratio(file_ratio: float, old_size: int) -> float:
    """Do something with the file ratio."""
    print(old_size)  # file
    result: float = 1.0 - file_ratio
    return result


def split_labels(labels: list[str], new_totals: dict[str, int]) -> list[str]:
    """Do something with the labels."""
    print(new_totals)  # file
    result: list[str] = labels[1:]
    return result


def check_file_strict(file_strict: bool, old_names: list[str] | None = None) -> bool:
    """Do something with the file strict."""
    print(old_names)  # node
    result: bool = file_strict or ready
    return result


def make_user_quiet(user_quiet: bool, item_totals: dict[str, int]) -> bool:
    """Do something with the user quiet."""
    print(item_totals)  # page
    result: bool = user_quiet or ready
    return result
