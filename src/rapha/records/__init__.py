"""The nouns, in the order of the flow. Frozen, validated when built, digestable, no I/O.

record.py      what all of them share: frozen, unknown keys refused, canonical bytes, digest
study.py       Study: what the researcher asks for, and its parts
  cohort_spec.py  windows, criteria, the index event, the outcome
  feature.py      what the model sees of a patient
  learning.py     architecture, training, privacy
  tensors.py      the tensors a study declares
site.py        SiteProfile, Approval, Denial, Dispatch: a hospital and its decision
cohort.py      Cohort: what was frozen, as a commitment and a suppressed count
task.py        Task, Update: one site's work in one round
consent.py     Consent, Withdrawal: one person's yes and no, signed by their own device
  device.py       what a relay and its devices say to each other
metrics.py     the closed set of figures that may leave
release.py     Release, Refusal: what the gate said
receipt.py     Receipt, Verdict: signed evidence and its judgement
wire.py        what hub and node, hub and researcher say to each other
lifecycle.py   the states of study, dispatch and task: transition, owner, audit event
"""
