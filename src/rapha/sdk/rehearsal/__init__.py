"""Try a study before a hospital is asked: made-up rows, the hospital's own cohort engine, trainer and gate, no hub needed.

made_up.py    a site profile (or none) -> a timeline of people who do not exist
lives.py      from when to when they are watched, how old, of which sex
scenes.py     the way of one of them through the study: what lies in each of its windows
numbers.py    numbers that the study's criteria let in
rehearse.py   the study on such timelines: what would be frozen, trained, let out; or why not
"""

from rapha.sdk.rehearsal.made_up import profiles_for, unlisted
from rapha.sdk.rehearsal.rehearse import SiteRehearsal, rehearse

__all__ = ["SiteRehearsal", "profiles_for", "rehearse", "unlisted"]
