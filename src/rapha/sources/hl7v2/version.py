"""Which of two messages is the newer: by MSH-7, then the sequence number (MSH-13), then the control id (MSH-10)."""

from datetime import datetime

Version = tuple[datetime, int, int, str]
