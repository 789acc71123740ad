"""Pin what can be pinned once torch is there, and say what it is."""

import hashlib
import platform

import torch

from rapha.records.release import Numerics
from rapha.training.profile import THREADS


def pin() -> Numerics:
    """Fix threads and deterministic algorithms in this process; returns the profile as it now is.

    `set_deterministic_debug_mode` does what `use_deterministic_algorithms` does, without the import of the compiler
    that costs the latter two seconds.
    """
    torch.set_num_threads(THREADS)
    torch.set_deterministic_debug_mode("error")
    return Numerics(
        torch=torch.__version__,
        python=platform.python_version(),
        threads=torch.get_num_threads(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Chance for one purpose, e.g. `generator(7, "order", 3, 0)`: no state is shared between two purposes.

    The state is the first eight bytes of SHA-256 over the words, so that neighbouring rounds have nothing in common.
    """
    words = ":".join(str(word) for word in (seed, *purpose))
    source = torch.Generator()
    source.manual_seed(int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big"))
    return source
