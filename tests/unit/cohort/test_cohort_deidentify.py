"""What is hidden in a note, and what is left."""

from itertools import pairwise

import pytest

from rapha.cohort.deidentify.hide import found_in, hide
from rapha.cohort.deidentify.known import Known

HIDDEN = [
    ("Seen by Dr. Samuel Okafor today.", "Seen by [NAME] today."),
    ("Mrs O'Malley-Smith was here", "[NAME] was here"),
    ("SURGEON: MOREAU, JEAN-LUC", "SURGEON: [NAME]"),
    ("her daughter Elaine and son Peter", "her daughter [NAME] and son [NAME]"),
    ("Signed by Priya Raman, MD", "Signed by [NAME]"),
    ("Katherine Fjordsdottir came alone", "[NAME] came alone"),
    ("Lindqvist, Tobias was seen", "[NAME] was seen"),
    ("Seen with H. Finch in the ward", "Seen with [NAME] in the ward"),
    ("on 12/14/2019, 2021-02-03, 5-JUL-2020, 25.04.1961", "on [DATE], [DATE], [DATE], [DATE]"),
    ("14 August 2018 and July 5, 2020 and 4th of August", "[DATE] and [DATE] and [DATE]"),
    ("MRI on 8/6 and CT 12/31, last seen in November", "MRI on [DATE] and CT [DATE], last seen in [DATE]"),
    ("retired in 1986, on Monday", "retired in [DATE], on [DATE]"),
    ("a 92-year-old and a 72 year old, aged 101", "a [AGE]-year-old and a 72 year old, aged [AGE]"),
    ("(617) 555-0199, +1 415 555 0117, 860.555.0163 ext. 12, 555-0188", "[PHONE], [PHONE], [PHONE], [PHONE]"),
    ("mail f.a@st.example.org or https://x.example/u/a7, 10.14.22.7", "mail [EMAIL] or [URL], [URL]"),
    ("MRN: 4471902, lot M48812-07, SSN 219-09-9999", "MRN: [ID], lot [ID], SSN [ID]"),
    ("NHS number 943 476 5919.", "NHS number [ID]."),
    ("lives at 18 Harcourt Lane, Bexley, MA 02139 now", "lives at [ADDRESS] now"),
    ("She lives in Portland with him", "She lives in [ADDRESS] with him"),
    ("Lindenstraße 14, 67433 Neustadt", "[ADDRESS]"),
    ("sent from Lakeshore Medical Center by bus", "sent from [PLACE] by bus"),
    ("seen [**2101-3-4**] by [**Known lastname 1234**]", "seen [REMOVED] by [REMOVED]"),
    ("Compared to XXXX, no change in XXXX.", "Compared to [REMOVED], no change in [REMOVED]."),
    ("Mr. ___ was admitted on ___ from ____.", "Mr. [REMOVED] was admitted on [REMOVED] from [REMOVED]."),
]


@pytest.mark.parametrize("text, hidden", HIDDEN)
def test_what_tells_of_a_person_gives_way(text, hidden):
    assert hide(text) == hidden


LEFT = [
    "Parkinson's disease, Foley catheter, Crohn's, Colles fracture, Bell's palsy.",
    "BP 132/78, HR 88, 5/5 strength, pain 4/10, murmur 3/6, MMSE 21/30, carbidopa/levodopa 25/100 mg",
    "EF 30-35%, FiO2 0.21-0.25, L4/5, T8-T9, 2-0 Vicryl, E/A 0.8, INR 2-3, 1200/950 ml, Gleason 3+4=7",
    "She may take 10/20 mg in two weeks; a 72 year old, 8 mm nodule, series 4 image 112, 4.5 mg IV",
    "karyotype 48,XXXX; 47, XXX; MIXXXX; snake_case___name",
    "COVID-19 PCR positive, HER2 negative, stage IIIA, grade 3, day 15",
    "",
]


@pytest.mark.parametrize("text", LEFT)
def test_what_tells_of_an_illness_stays(text):
    assert hide(text) == text


KNOWN = [
    (Known("name", "Sunil Deshpande"), "DESHPANDE is better, per Sunil's wife", "[NAME] is better, per [NAME]'s wife"),
    (Known("name", "Shanice Brown"), "Brown: brown discharge", "[NAME]: brown discharge"),
    (Known("name", "Li Wu"), "li wu", "li wu"),  # two letters are no name to look for
    (Known("id", "88-209"), "no 88 209, and 88209, not 188209", "no [ID], and [ID], not 188209"),
    (Known("id", "12"), "bed 12", "bed 12"),
    (Known("phone", "617-555-0142"), "at 6175550142", "at [PHONE]"),
    (Known("email", "Ann@x.org"), "ann@X.org", "[EMAIL]"),
    (Known("address", "18 Harcourt Lane, Bexley"), "18  harcourt lane in BEXLEY", "[ADDRESS] in [ADDRESS]"),
]


@pytest.mark.parametrize("known, text, hidden", KNOWN)
def test_what_the_hospital_knows_of_the_patient_is_hidden_however_it_is_spelt(known, text, hidden):
    assert hide(text, [known]) == hidden


def test_what_overlaps_is_hidden_as_a_whole_and_no_letter_of_it_is_left():
    text = "Contact: Ann Whitfield, ann.whitfield@mail.example.org, MRN 4471902"
    hidden = hide(text, [Known("name", "Ann Whitfield"), Known("id", "4471902")])
    assert hidden == "Contact: [NAME], [EMAIL], MRN [ID]"
    assert hide("to 12 Katherine Fjordsdottir", [Known("address", "12 Katherine")]) == "to [ADDRESS]"
    found = found_in(text, [Known("name", "Ann Whitfield")])
    assert all(one.end <= two.start for one, two in pairwise(found))


def test_what_is_hidden_once_is_hidden_for_good():
    for text, hidden in HIDDEN:
        assert hide(hide(text)) == hide(hidden) == hidden


@pytest.mark.parametrize(
    "piece",
    [
        "[**",
        "X",
        "_",
        "[** ",
        "A ",
        "A. ",
        "9 ",
        "9-",
        "Aa ",
        "Aa, ",
        "1 Aa ",
        "St. ",
        "(((",
        "a@a.",
        "\n",
        "Aa-",
        "+1 ",
    ],
)
def test_a_hostile_text_is_read_to_its_end(piece):
    """A pattern that tries every way to fail would not come back from these."""
    text = piece * (20_000 // len(piece))
    assert isinstance(hide(text, [Known("name", "Aa Bb-Cc"), Known("id", "99999")]), str)
