"""The public log for people: pages that a hub serves at /explore, written on the server, without a script.

entries.py   rule: what an entry of the log says, and its proof as a file
studies.py   what is public of completed studies: names, sites, tiers, refusals, and where the log holds each
anchors.py   the proofs of anchors that lie in the home, compared with the log
pages.py     the pages, escaped; their style and their policy

Nothing here is evidence: the log's own files are, and each page links to them.
"""
