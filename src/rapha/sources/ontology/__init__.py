"""An ontology's own file (hp.obo, hp.json) into the site's vocabulary: its terms and what lies below which. No patient is in it.

reading.py   OBO and OBO Graphs (JSON) -> terms
standing.py  what an obsolete term stands for
ingest.py    terms -> concepts and their ancestors
"""

from rapha.sources.ontology.ingest import ingest

__all__ = ["ingest"]
