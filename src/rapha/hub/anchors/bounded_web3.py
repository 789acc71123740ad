"""web3, imported without what it does to the whole process: the only place that imports it.

One of its libraries (py_ecc) raises the interpreter's recursion limit to 100,000, and then an answer that is nested deep enough ends
the process where json would have refused it. Nothing used here needs such a limit.
"""

import sys

_BEFORE = sys.getrecursionlimit()
import web3  # noqa: E402

sys.setrecursionlimit(_BEFORE)

from web3 import Account, Web3  # noqa: E402
from web3.contract import Contract  # noqa: E402
from web3.contract.contract import ContractFunction  # noqa: E402
from web3.exceptions import Web3Exception  # noqa: E402
from web3.providers.base import BaseProvider  # noqa: E402
from web3.types import RPCEndpoint, RPCResponse  # noqa: E402

__all__ = [
    "Account",
    "BaseProvider",
    "Contract",
    "ContractFunction",
    "RPCEndpoint",
    "RPCResponse",
    "Web3",
    "Web3Exception",
    "web3",
]
