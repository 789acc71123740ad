"""The contract that anchors a log on a chain, compiled. `contracts/` has its source."""
