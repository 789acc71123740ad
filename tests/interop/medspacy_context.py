"""Runs in an environment of its own, with medspacy: sentences in, one JSON list, what they say of `pneumonia` out."""

import json
import sys
import warnings

warnings.filterwarnings("ignore")
import spacy  # noqa: E402
from medspacy.context import ConText  # noqa: E402, F401
from medspacy.target_matcher import TargetRule  # noqa: E402

NAMES = {
    "is_negated": "negated", "is_uncertain": "possible", "is_historical": "historical",
    "is_hypothetical": "hypothetical", "is_family": "family",
}  # fmt: skip


def main() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("medspacy_target_matcher").add([TargetRule("pneumonia", "FINDING")])

    @spacy.Language.component("one_sentence")
    def one_sentence(doc: object) -> object:
        for token in doc:
            token.is_sent_start = token.i == 0
        return doc

    nlp.add_pipe("one_sentence", first=True)
    nlp.add_pipe("medspacy_context")
    answers = []
    for sentence in json.load(sys.stdin):
        (target, *_) = nlp(sentence).ents
        answers.append(sorted(name for flag, name in NAMES.items() if getattr(target._, flag)))
    json.dump(answers, sys.stdout)


main()
