"""One round of a model of 100 MB over three hospitals."""

from round_large import hidden_for, measure

SIZE_BYTES, ROUNDS, RUNS, TARGET_SECONDS = 100_000_000, 5, 5, 1.2
FLOOR_SECONDS = 0.73
"""A bare loop with SHA-256 and nothing else took so long on a machine of two cores."""


def main() -> None:
    measure("round_100mb", SIZE_BYTES, hidden_for(SIZE_BYTES), ROUNDS, RUNS, TARGET_SECONDS, FLOOR_SECONDS)


if __name__ == "__main__":
    main()
