"""WHAT MAY LEAVE. The workload's output is untrusted bytes; this is the list of what may pass. Pure but for collect.

gate.py        the doors that the node calls, and the names of the rules they keep
collect.py     opens outputs by fixed names only, into memory
weights.py     a safetensors reader that believes nothing, and one way to write it
association.py the sums of a GWAS: of too few copies none
statistics.py  feature statistics: too few patients show as none, the rest is rounded
rounding.py    what custom code gives keeps eight bits a number
metrics.py     figures, ROC, calibration: a closed set, with enough of each class
memorisation.py what the audit found, held against the site's limits
disclosure.py  small numbers suppressed, the others rounded
"""
