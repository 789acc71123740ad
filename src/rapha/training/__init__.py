"""LEARN. Features to tensors, architectures, the loop, metrics. Runs inside the sandbox.

profile.py        what must be set before torch starts; free of torch
numerics.py       what is pinned after, and chance by purpose
dataset.py        rows.arrow -> Dataset: rows by split
arrays.py         dense columns, mapped into memory and read batch by batch
inputs.py         rows -> tensors, standardised
statistics.py     prepare: mean and variance of each feature
architectures/    the table of what can be trained
association.py    the sums of a GWAS
components.py     principal components that it is adjusted for
normal_equations.py from such sums to effects
tails.py          and to p-values
optimizers.py     AdamW and SGD
loop.py           one round
private.py        one round with differential privacy: accounting.py says with how much noise
membership.py     the audit: who was learned from?
metrics.py        the figures: discrimination.py, calibration.py, concordance.py
pooled.py         train and measure without a federation
evaluate.py       the federated model and the site's own, on held-out patients
weights.py        tensors from and to files
learner.py        one site's work, command by command
worker.py         the process: commands in, replies out
predict.py        a ready model
"""
