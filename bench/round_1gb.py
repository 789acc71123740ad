"""One round of a model of 1 GB over three hospitals. Needs 24 GB of memory and 30 GB of disk for all of them together."""

from round_large import hidden_for, measure

SIZE_BYTES, ROUNDS, RUNS, TARGET_SECONDS = 1_000_000_000, 3, 5, 9.0
FLOOR_SECONDS = 6.4
"""A bare loop with SHA-256 and nothing else took so long on a machine of two cores."""


def main() -> None:
    measure("round_1gb", SIZE_BYTES, hidden_for(SIZE_BYTES), ROUNDS, RUNS, TARGET_SECONDS, FLOOR_SECONDS)


if __name__ == "__main__":
    main()
