"""One round of a ten-weight model over eight hospitals: real processes on loopback, every check and fsync on."""

from round_of_ten import measure

TARGET_SECONDS, FLOOR_SECONDS = 0.08, 0.004


def main() -> None:
    measure("round_8_sites", 8, TARGET_SECONDS, FLOOR_SECONDS)


if __name__ == "__main__":
    main()
