"""One file per noun: study, node, hub, receipt, demo, doctor."""
