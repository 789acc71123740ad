"""TWO NAMES, ONE PERSON? Compared so that another spelling does not make another person. Pure; in doubt, the same.

A steward may not approve their own study. Names are all there is to tell by, and a name is easily written otherwise: in
capitals, with or without accents, the other way round, with letters of another alphabet that look alike.
"""

import re
import unicodedata

_LOOKS_LIKE = str.maketrans(
    dict(
        zip(
            "аеорсухіјѕԁԛԝһӏкмтвнєғ" + "αβεικνορτυχγηωμ" + "øłđðħıßƒɑɡɩ",
            "aeopcyxijsdqwhlkmtbhef" + "abeiknoptuxynwm" + "oldohisfagi",
            strict=True,
        )
    )
    | {"æ": "ae", "œ": "oe", "þ": "th"}
)
"""After case and accents are gone: letters of Cyrillic, Greek and Latin that pass for another (a part of Unicode TR 39)."""
_WRITTEN_OUT = re.compile(r"([aou])e")
"""Müller is Mueller."""
_WORD = re.compile(r"[^\W_]+")


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, without case, accents, invisible signs and look-alikes."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Mn", "Cf", "Cc"))
    return tuple(_WRITTEN_OUT.sub(r"\1", word) for word in _WORD.findall(bare.casefold().translate(_LOOKS_LIKE)))


def may_be_one_person(one: str, other: str) -> bool:
    """Whether two names may be the same person's: the same words in any order, the same letters run together, or all words of
    one (two or more) within the other, as with a title or an address. A name without a word may be anybody's."""
    left, right = words_of(one), words_of(other)
    if not left or not right or "".join(left) == "".join(right) or set(left) == set(right):
        return True
    fewer, more = sorted((set(left), set(right)), key=len)
    return len(fewer) >= 2 and fewer <= more
