"""WHY BELIEVE IT. Pure, offline; the standard library and `cryptography` only."""
