"""KeysBefore: the keys that a hub had before in its own roles, and the authorities that went with them."""

from rapha.records.certified import TrustConfig
from rapha.records.record import Record
from rapha.records.wire import TrustedKey


class KeysBefore(Record):
    """The file `keys-before.json` of a hub's home. `keys`: with their windows. `trust_config`: with every authority that there was."""

    keys: tuple[TrustedKey, ...]
    trust_config: TrustConfig
