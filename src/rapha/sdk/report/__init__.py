"""report.html: what a study gave, for people.

findings.py     the folder's own files, read and judged
headline.py     numbers and sentences to take home; the tables
figures.py      ROC, calibration, training by round; forest.py the forest plot; svg.py how they are drawn
comparison.py   another model to be shown beside
page.py         the page: report.html.j2 with report.css
"""

from rapha.sdk.report.comparison import Comparison
from rapha.sdk.report.page import render, write_report

__all__ = ["Comparison", "render", "write_report"]
