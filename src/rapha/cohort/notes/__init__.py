"""WHAT A NOTE SAYS. Text -> which of a study's phrases it holds, and how they are meant.

sections.py     a note's parts, by their headings, and its sentences
words.py        a sentence as words
context.py      ConText: words that say no, perhaps, formerly, if, or a relative, and how far they reach
scan.py         a text against the mentions of a study
events.py       the notes of a timeline against them: the rows of the table `mentions`
"""
