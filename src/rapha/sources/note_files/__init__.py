"""Notes that lie as text files in a folder, with a list that says whose each is and when it was written.

mapping.py    the words of the mapping file
listed.py     the list: a row for each note
ingest.py     the whole way
"""

from rapha.sources.note_files.ingest import ingest

__all__ = ["ingest"]
