"""The hospital: agent, journey, sandbox, outbox, keys. It dials out only."""
