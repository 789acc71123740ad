"""The tree of a run's patients: a million of them, and one proof of absence out of it."""

import hashlib
import time

from figure import figure_line

from rapha.proof import patient_tree

PATIENTS, RUNS, TARGET_SECONDS = 1_000_000, 5, 8.0


def main() -> None:
    tokens = (hashlib.sha256(b"patient %d" % at).digest() for at in range(PATIENTS))
    leaves = patient_tree.sorted_leaves([(token, hashlib.sha256(token).digest()) for token in tokens])
    absent = hashlib.sha256(b"somebody else").digest()
    runs = []
    for _ in range(RUNS):
        began = time.perf_counter()
        root = patient_tree.root(leaves)
        runs.append(time.perf_counter() - began)
    shown = patient_tree.path(leaves, absent)
    assert patient_tree.check_path(root, absent, shown) is None
    print(f"a proof of {32 * (len(shown.siblings) + 2):,} bytes")
    print(figure_line("patient_tree", runs, TARGET_SECONDS))


if __name__ == "__main__":
    main()
