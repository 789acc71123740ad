"""Another spelling is no other person."""

import pytest

from rapha.policy.names import may_be_one_person

SAME = [
    "maria-lopez", "Maria Lopez", "MARIA LOPEZ", "María López", "Mari\u0301a Lo\u0301pez", "Lopez, Maria", "Dr. Maria Lopez",
    "maria\u200blopez", "ＭＡＲＩＡ ＬＯＰＥＺ", "Mаrіа Lореz", "МАRIA LOPEZ", "Μaria Lοpez", "maria.lopez@example.org", "MariaLopez",
    "M\u0430ria\u00a0Lopez", "maria_lopez", "", "---", "\u200b",
]  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_case_accents_order_and_letters_of_other_alphabets_make_no_other_person(name: str) -> None:
    assert may_be_one_person(name, "maria-lopez") and may_be_one_person("María López", name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jürgen Müller", "juergen-mueller"),
        ("Søren Kjær", "soren-kjaer"),
        ("STRASSE Ö", "straße-o"),
        ("Ann", "Ann Ann"),
    ],
)
def test_letters_that_are_written_out(one: str, other: str) -> None:
    assert may_be_one_person(one, other)


@pytest.mark.parametrize("name", ["Ada Lovelace", "Maria", "Jan Lopez", "maria-lope", "Grace Hopper", "Mario Lopez"])
def test_others_are_others(name: str) -> None:
    assert not may_be_one_person(name, "maria-lopez")
