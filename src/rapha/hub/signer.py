"""The hub as one who signs: the aggregation, and that a hospital's key has ended."""

from dataclasses import dataclass

from rapha.clock import Clock
from rapha.proof import keys
from rapha.records.wire import TrustedKey


@dataclass(frozen=True)
class Signer:
    """`name`: the hub's."""

    name: str
    key: keys.PrivateKey
    clock: Clock

    @property
    def trusted(self) -> TrustedKey:
        """Its public key, as others keep it."""
        public = self.key.public_key()
        return TrustedKey(owner=self.name, role="hub", keyid=keys.keyid(public), public_key=keys.public_to_pem(public))
