"""`rapha demo`: one study, end to end, on real patients, in one command."""
