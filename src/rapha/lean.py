"""What a process of ours does without, so that it starts sooner."""

import sys
from importlib.abc import MetaPathFinder


class _NotPandas(MetaPathFinder):
    """As if pandas were not installed."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out here", name=name)


def leave_out_pandas() -> None:
    """To be called before pyarrow or DuckDB is used: where pandas is installed both import it, only to see whether what they are given is of
    its kinds. Rapha never gives them such, and half a second is a third of what a question to the timeline takes. Not for a process that
    runs the code of others, which may want it."""
    if not any(isinstance(finder, _NotPandas) for finder in sys.meta_path):
        sys.meta_path.insert(0, _NotPandas())
