"""WHO SAYS YES, AND IS IT THEY? Stewards sign the exact study, dispatch and rules, each with their own key. Pure.

What a steward signs cannot be moved to another study, another site, another dispatch or other rules; an approval that was edited
on disk does not hold; two signatures of one steward are one; a researcher never signs their own study.
"""

from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from rapha.canonical import base64_bytes, base64_text, canonical_bytes
from rapha.clock import stamp
from rapha.errors import Unproven
from rapha.policy.names import may_be_one_person
from rapha.proof import keys
from rapha.records.record import Digest, DispatchId, Record, SiteId, Slug
from rapha.records.site import Approval, Dispatch, StewardSignature

SIGNED_TYPE = "https://rapha.dev/steward-signature/v1"


def _key(text: str) -> str:
    try:
        keys.public_from_pem(_pem(text))
    except Unproven:
        raise PydanticCustomError("key", "not a steward's public key: `rapha node steward-key` prints one") from None
    return text


def _pem(text: str) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"


class Steward(Record):
    """`name`: as a hub would write it, were they a researcher too. `key`: public, P-256, one line of base64."""

    steward: Slug
    name: Annotated[str, Field(min_length=1, max_length=120)]
    key: Annotated[str, Field(max_length=200), AfterValidator(_key)]

    @property
    def public(self) -> keys.PublicKey:
        return keys.public_from_pem(_pem(self.key))

    def may_be(self, researcher: str) -> bool:
        """Whether they may be this researcher."""
        return may_be_one_person(self.name, researcher) or may_be_one_person(self.steward, researcher)


class Stewards(Record):
    """Who may sign, and how many have to: one, or two different people."""

    needed: Annotated[int, Field(ge=1, le=2)]
    who: Annotated[tuple[Steward, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _different(self) -> "Stewards":
        for at, one in enumerate(self.who):
            for other in self.who[:at]:
                if one.steward == other.steward or one.key == other.key or may_be_one_person(one.name, other.name):
                    raise PydanticCustomError(
                        "stewards", "`{one}` and `{other}` may be one person: each needs a name and a key of their own",
                        {"one": other.steward, "other": one.steward},
                    )  # fmt: skip
        if len(self.who) < self.needed:
            raise PydanticCustomError("stewards", "two have to sign, and only one is named")
        return self

    def named(self, steward: str) -> Steward | None:
        return next((one for one in self.who if one.steward == steward), None)


class SignedYes(NamedTuple):
    """What a steward says yes to: this dispatch of this study at this site, under these rules."""

    dispatch: DispatchId
    study_digest: Digest
    site: SiteId
    policy_digest: Digest

    @classmethod
    def of(cls, dispatch: Dispatch, policy_digest: Digest) -> "SignedYes":
        return cls(dispatch.id, dispatch.study_digest, dispatch.site, policy_digest)

    @classmethod
    def of_approval(cls, approval: Approval) -> "SignedYes":
        return cls(approval.dispatch, approval.study_digest, approval.site, approval.policy_digest)

    def bytes_for(self, steward: str, at: datetime) -> bytes:
        """RFC 8785 bytes, with a type: they can be taken for nothing else that is signed here."""
        return canonical_bytes({"type": SIGNED_TYPE, **self._asdict(), "steward": steward, "at": stamp(at)})


def sign(yes: SignedYes, steward: str, private: keys.PrivateKey, at: datetime) -> StewardSignature:
    """A steward's yes."""
    at = datetime.fromisoformat(stamp(at))
    signature = base64_text(keys.sign(private, yes.bytes_for(steward, at)))
    return StewardSignature(steward=steward, at=at, signature=signature)


def refused_steward(stewards: Stewards | None, steward: str, researcher: str) -> str | None:
    """Why this person may not sign a study of this researcher, in a sentence; or None."""
    if stewards is None:
        own = may_be_one_person(steward, researcher)
    elif (named := stewards.named(steward)) is None:
        return f"the rules name no steward {steward}: {', '.join(one.steward for one in stewards.who)} may sign"
    else:
        own = named.may_be(researcher)
    return f"{steward} may be {researcher}, who asks: nobody approves their own study" if own else None


def valid_signers(
    yes: SignedYes, signatures: tuple[StewardSignature, ...], stewards: Stewards, researcher: str
) -> tuple[str, ...]:
    """The different stewards, in order of their names, who may sign and did. Numbered, so that an auditor can tick it off."""
    signers = set()
    for one in signatures:
        # 1. the rules name them; 2. they are not the researcher
        named = stewards.named(one.steward)
        if named is None or refused_steward(stewards, one.steward, researcher) is not None:
            continue
        # 3. their own key signed exactly this study, dispatch, site and rules
        try:
            keys.verify(named.public, base64_bytes(one.signature), yes.bytes_for(one.steward, one.at))
        except (Unproven, ValueError):
            continue
        # 4. two signatures of one steward are one
        signers.add(one.steward)
    return tuple(sorted(signers))


def decided_by(signers: tuple[str, ...]) -> str:
    """As an approval names them."""
    return f"steward:{signers[0]}" if len(signers) == 1 else f"stewards:{'+'.join(signers)}"


def holds(approval: Approval, stewards: Stewards | None, researcher: str) -> bool:
    """Whether the people whom an approval names were entitled to give it, and gave it."""
    if stewards is None:
        kind, _, name = approval.decided_by.partition(":")
        return kind == "steward" and not approval.signatures and refused_steward(None, name, researcher) is None
    signers = valid_signers(SignedYes.of_approval(approval), approval.signatures, stewards, researcher)
    return len(signers) >= stewards.needed and approval.decided_by == decided_by(signers)
