"""Our ConText says of a phrase what medspaCy says, by the same rules, on every rule and on sentences as people write them.

medspaCy and spaCy run in an environment of their own. `RAPHA_MEDSPACY` names a Python that has them.
"""

import json
import os
import subprocess
from itertools import product
from pathlib import Path

import pytest
from kept_environments import python_with

from rapha.cohort.notes.context import RULES, Span, meanings
from rapha.cohort.notes.words import plain, tokens

pytestmark = pytest.mark.slow
AROUND = [
    "{} pneumonia", "pneumonia {}", "{} pneumonia {}", "{} effusion, pneumonia", "pneumonia or effusion {}",
    "{} effusion but pneumonia", "fever {} cough and pneumonia {} today",
]  # fmt: skip
AS_PEOPLE_WRITE = [
    "No evidence of pneumonia.", "There is no focal consolidation, pneumothorax or pneumonia.", "Denies pneumonia.",
    "Pt denies cough but was treated for pneumonia.", "Pneumonia has been ruled out.", "We cannot rule out pneumonia.",
    "Rule out pneumonia.", "Patient was not found to have pneumonia.", "Mother and sister had pneumonia.",
    "History of pneumonia.", "Past medical history of pneumonia, presents with cough.", "h/o pneumonia",
    "Presents with pneumonia and a history of asthma.", "If pneumonia recurs, return.", "Should he develop pneumonia, call.",
    "Return for pneumonia.", "Suspicious for pneumonia.", "Concerning for pneumonia, although pneumonia is unlikely.",
    "Findings may be pneumonia.", "He does not have a history of pneumonia.", "No history of pneumonia.",
    "Negative for pneumonia.", "Chest x-ray was negative, pneumonia unlikely.", "Without any sign of pneumonia.",
    "Pneumonia, now resolved.", "Likely pneumonia versus atelectasis.", "No new pneumonia.", "Her father's pneumonia was severe.",
    "Treated for pneumonia rather than heart failure.", "Pneumonia didn't improve.", "The patient hasn't had pneumonia.",
    "Heart failure secondary to pneumonia.", "No cause for pneumonia.", "The cause of pneumonia is not known.",
    "Pneumonia is the source of sepsis.", "No fever, however pneumonia cannot be excluded.", "Worried about pneumonia.",
    "Ceftriaxone as needed for pneumonia.", "Pneumonia: none", "Free of pneumonia.", "Lungs free of pneumonia but not of fluid.",
]  # fmt: skip


def written(words: str) -> list[str]:
    """A rule as text: with all its words, and without those that may be missing; each choice's first and last."""
    places = words.split()
    kept = [place for place in places if not (len(place) > 1 and place.endswith("?"))]
    texts = [[place.removesuffix("?").split("|")[at] for place in some] for some in (places, kept) for at in (0, -1)]
    return sorted(
        {
            " ".join(text).replace("can n't", "can't").replace(" n't", "n't").replace(" 's", "'s").replace(" / ", "/")
            for text in texts
        }
    )


def sentences() -> list[str]:
    rules = [text for _, _, words in RULES["medspacy"] for text in written(words)]
    pairs = [(one, two) for one, two in product(rules[::7], rules[::11])]
    one = [around.format(rule, rule) for rule in rules for around in AROUND]
    return [*AS_PEOPLE_WRITE, *one, *(f"{first} effusion {second} pneumonia" for first, second in pairs)]


def ours(sentence: str) -> list[str]:
    words = tokens(plain(sentence))
    at = next(place for place, token in enumerate(words) if token.word == "pneumonia")
    return sorted(meanings(words, Span(at, at + 1), ("medspacy",)))


@pytest.fixture(scope="module")
def medspacy() -> str:
    """A Python that has medspacy."""
    if "RAPHA_MEDSPACY" in os.environ:
        return os.environ["RAPHA_MEDSPACY"]
    python = python_with("medspacy==1.3.1", options=("--only-binary=spacy,numpy,thinc,blis",))
    if python is None:
        pytest.skip("medspacy could not be installed here")
    return str(python)


def test_medspacy_and_we_agree(medspacy: str) -> None:
    asked = sentences()
    script = Path(__file__).with_name("medspacy_context.py")
    done = subprocess.run([medspacy, str(script)], input=json.dumps(asked), capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    differ = [(s, ours(s), said) for s, said in zip(asked, theirs, strict=True) if ours(s) != said]
    # medspaCy's rule for "risk of" asks for one token with a blank in it, which there never is: ours is of two tokens.
    assert [each for each in differ if "risk of" not in each[0] and "risks of" not in each[0]] == []
    assert len(asked) > 1800 and any(said for said in theirs)
