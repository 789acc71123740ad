"""What every test shares: where the checkout is, hypothesis that draws the same examples on every machine, one thread for torch and numpy,
and the interpreter's own limit of nesting."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Set before either is imported: beside another worker, threads that wait for one another burn both processors.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
settings.register_profile("same-everywhere", derandomize=True, deadline=None, database=None)
settings.load_profile("same-everywhere")
_NESTING = sys.getrecursionlimit()


def pytest_collection_finish() -> None:
    """A library of the chain tests (py_ecc) raises it to 100,000, at which what is nested deep ends the process where it would be refused."""
    sys.setrecursionlimit(_NESTING)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parents[1]
