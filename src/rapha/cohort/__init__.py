"""WHO IS IN, WHAT IS PREDICTED. specification -> plan -> one DuckDB statement -> frozen rows.

plan.py        a study's concepts, numbered; what the statement is made from. Pure
parameters.py  every value of a study travels as a bound parameter; windows as predicates over them
people.py      who there is: patients, what happened to them, when they were under observation, their index
criteria.py    who is in
outcome.py     what became of them: case, control, competing, unobserved
features.py    what was known of them at the index
slope.py       how fast numbers change, before the index or after it
split.py       train, validation or test, and the order of rows: keyed hashes
statement.py   all of these as one SELECT, and the text a steward reads
engine.py      ask a timeline: `count` and `freeze`, or a refusal
dense.py       from assets to arrays: notes, volumes, genotypes
images.py      a kept volume, resampled as a study asks for it
dataset.py     the frozen rows as a file: same rows, same bytes
"""
