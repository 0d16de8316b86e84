from collections.abc import Callable
from pathlib import Path

import pytest

from tests.selection.taiwan import Taiwan, load


@pytest.fixture(scope="session")
def taiwan(shared_file: Callable[[str], Path]) -> Taiwan:
    """10,244 real stores and four million shelf rows; takes some seconds, once."""
    return load(shared_file("stores/tw_convenience_2020.csv"), shared_file("orders/baskets_20k.csv.gz"))
