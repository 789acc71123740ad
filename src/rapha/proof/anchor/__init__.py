"""Was a log's root written on a chain? Answered offline, from one block hash that the reader trusts. Begin with `verify.py`."""
