"""The numerics profile: what must be set before torch starts so that the same inputs give the same bits.

Thread count and instruction set change the bits of a matrix product; torch's deterministic flag alone does not fix
them. One thread and AVX2 are the widest that any x86-64-v3 server has in common. On other processors torch takes no
notice of the names, and the receipt says which capability ran. Free of torch: the node reads it, and never torch.
"""

ENVIRONMENT: dict[str, str] = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
"""Environment variables of the workload's process."""

PLACING: dict[str, str] = {
    "THP_MEM_ALLOC_ENABLE": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 46),
}
"""Beside them, of no effect on any bit: large tensors lie in pages of 2 MB where the machine has some, of which few have to be found; and the
memory of a round's gradients stays with the process for the next round's, and is not given back, found and cleared again."""

THREADS = 1
