"""The control plane: studies, routing, rounds, weights, receipts. It sees no row and dials into no hospital.

The way of a study through this room:

configuration.py   the home folder and its settings, parsed once
app.py             everything wired together: create_app(configuration)
api/               the doors: node.py, researcher.py, public.py, errors.py
identity.py        who is asking: a node's signed token, a researcher's bearer token (tokens.py), a one-time code (enrolment.py)
routing.py         rule: which sites a study goes to, and why not to the others
dispatches.py      offers out, feasibility, approvals and denials in
progress.py        rule: what happens next to a study, given where it stands
rounds.py          carries out what progress.py decides; conductor.py says when; closing.py and opening.py are the two ends of a round
tasks.py           updates and failures in
releases.py        a site's parcel, verified at the door
tensors.py         is this blob what the study declared; aggregation.py averages such blobs
log_keeper.py      the public log, static files; receipts.py puts receipts into it
neighbours.py      the other hubs on one database; shared_log.py and shared_tokens.py are what those share besides its tables
explorer/          the public log as pages
refusals.py        hospitals' signed refusals, verified at the door
freezes.py         what hospitals froze before their runs, logged before anything of them is taken
delivery.py        metrics, the signed aggregation, the list of files
averaging.py       rule: each way to make one model of many; likeness.py an alarm; early_stopping.py when it is enough
uploads.py         large blobs in, chunk by chunk; chunked.py the chunks of those that go out
blobs.py           content-addressed bytes, in a folder; bucket.py in S3; store/ the tables; audit.py the log; notify.py wakes who waits
"""
