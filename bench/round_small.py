"""One round of a ten-weight model over three hospitals: real processes on loopback, every check and fsync on."""

from round_of_ten import measure

TARGET_SECONDS, FLOOR_SECONDS = 0.05, 0.002


def main() -> None:
    measure("round_small", 3, TARGET_SECONDS, FLOOR_SECONDS)


if __name__ == "__main__":
    main()
