"""Try a study before a hospital is asked: made-up rows, the hospital's own cohort engine, trainer and gate, no hub needed.

made_up.py    a site profile (or none) -> a timeline of people who do not exist
rehearse.py   the study on such timelines: what would be frozen, trained, let out; or why not
"""

from rapha.sdk.rehearsal.made_up import profiles_for
from rapha.sdk.rehearsal.rehearse import SiteRehearsal, rehearse

__all__ = ["SiteRehearsal", "profiles_for", "rehearse"]
