"""Cohorts of other languages, as studies: every construct is translated exactly, or refused by its name and place.

draft.py             a study on its way to a file, with a comment on where each part comes from
aces.py              an ACES task (YAML): trigger, windows, label
aces_predicates.py   its predicates into concepts
aces_moments.py      its endpoints into moments around the index
circe.py             an OHDSI Circe cohort (JSON): entry, rules, exit
circe_concepts.py    its concept sets and domain criteria
circe_groups.py      its groups of criteria, windows and occurrences

Explained in docs/importers.md.
"""

from rapha.sdk.importers.aces import AcesChoices, import_aces
from rapha.sdk.importers.circe import CirceChoices, import_circe

__all__ = ["AcesChoices", "CirceChoices", "import_aces", "import_circe"]
