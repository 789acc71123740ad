"""WHAT A MODEL MAY SEE OF A NOTE. Names, dates, numbers and places give way to words such as `[NAME]` before a text is frozen.

known.py      what the hospital says of the patient of a note: names, numbers, addresses
patterns.py   dates, telephone numbers, addresses: by their form
people.py     names, by a title, a label, a relation or a list of given names
hide.py       all of these, over one text

Rules miss some. `docs/text.md` says how many of a made-up corpus.
"""
