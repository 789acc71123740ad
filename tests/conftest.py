"""What every test shares: where the checkout is, and hypothesis that draws the same examples on every machine."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same-everywhere", derandomize=True, deadline=None, database=None)
settings.load_profile("same-everywhere")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parents[1]
