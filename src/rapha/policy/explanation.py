"""WHY, IN A SENTENCE PER LINE: what a hospital's rules say of a study, and what they say at all. Pure."""

from typing import NamedTuple, assert_never

from rapha.policy.data_use import SHORT, unmet
from rapha.policy.decide import Allowed, Decision, NeedsPerson, Refused, readings
from rapha.policy.explain import explain
from rapha.policy.rules import SiteRules, Unisolated
from rapha.records.decision import Facts


class Explained(NamedTuple):
    """One line of the rules, whether it holds, and why."""

    line: str
    holds: bool
    sentence: str


def explained(facts: Facts, rules: SiteRules) -> tuple[Explained, ...]:
    """Every line that permits or refuses this study, in the order in which they are asked."""
    found: dict[str, Explained] = {}
    for reading in readings(facts, rules):
        before = found.get(reading.line)
        if before is None or before.holds:
            sentence = _sentence(reading.line, facts, rules)
            broke = " It could not be read, so the answer is no." if reading.reason == "internal" else ""
            found[reading.line] = Explained(reading.line, reading.holds, sentence + broke)
    return tuple(found.values())


def concluded(decision: Decision, rules: SiteRules) -> str:
    """What comes of it, in a sentence."""
    match decision:
        case Allowed():
            return f"Allowed by the rule {decision.rule}: no person is asked."
        case NeedsPerson():
            needed = rules.stewards.needed if rules.stewards else 1
            return f"Permitted, once {'two stewards have' if needed == 2 else 'a steward has'} signed."
        case Refused():
            return f"Refused by {decision.rule} ({decision.reason}). {explain(decision.reason)}"
        case _ as never:
            assert_never(never)


def _sentence(line: str, facts: Facts, rules: SiteRules) -> str:
    match line:
        case "modalities":
            return f"Asks for {_list(facts.modalities)}; offered: {_list(rules.modalities)}."
        case "purposes":
            ill = f" ({_list(facts.diseases)})" if facts.diseases else ""
            return f"States {_terms(facts.data_use)}{ill}; the data may serve {_terms(rules.purposes)}{_of(rules)}."
        case "conditions":
            missing = unmet(facts, rules.conditions)
            if missing is None:
                return f"Conditions on the data: {_terms(c.code for c in rules.conditions)}; the study states what they ask."
            return f"The data are under {_terms([missing.code])}, and the study does not state what that asks."
        case "researchers":
            return f"Asked by {facts.researcher}; may ask: {_people(rules)}."
        case "architectures":
            return f"Trains {facts.architecture}; permitted: {_list(rules.architectures)}."
        case "generative":
            asked = "Learns to write text" if facts.generative else "Does not learn to write text"
            return f"{asked}; models that do are {'permitted' if rules.generative else 'not permitted'}."
        case "modes":
            return f"Release mode {facts.mode}; offered: {_list(rules.modes)}."
        case "minimum_cohort":
            return f"Works with groups of {facts.min_cohort} or more; at least {rules.minimum_cohort} is asked."
        case "sandbox":
            lacking = rules.demanded_layers - set(facts.layers)
            here = "isolates" if facts.isolated else "does not isolate"
            return f"The machine {here}{', without ' + _list(sorted(lacking)) if lacking else ''}; demanded: {_walls(rules)}."
        case "runs_per_project":
            before = "an unknown number of" if facts.runs_before is None else str(facts.runs_before)
            return f"{before} runs of this project came before; at most: {rules.runs_per_project or 'no limit'}."
        case "cedar":
            return (
                "The hospital has a permit of its own in Cedar."
                if rules.cedar
                else "The hospital has no permit of its own."
            )
        case _:
            return "A line this page has no words for."


def in_words(rules: SiteRules) -> tuple[str, ...]:
    """What the rules permit, for whoever has two minutes."""
    hours = rules.hours
    return (
        f"Studies may use {_list(rules.modalities)}, for {_terms(rules.purposes)}{_of(rules)}.",
        *(f"The data are under {_terms(c.code for c in rules.conditions)}." for _ in rules.conditions[:1]),
        f"Who may ask: {_people(rules)}. Models: {_list(rules.architectures)}. Groups of {rules.minimum_cohort} or more.",
        *((f"Release modes: {_list(rules.modes)}: scripts of researchers run.",) if rules.modes != ("A",) else ()),
        *(
            (f"Models may learn to write; canaries of theirs may have {rules.generative.exposure:g} bits of exposure.",)
            if rules.generative
            else ()
        ),
        f"Sandbox: {_walls(rules)}.",
        f"One researcher may run {rules.runs_per_project or 'any number of'} studies of one purpose.",
        f"Work touches data {f'from {hours.opens:%H:%M} until {hours.until:%H:%M}, {hours.zone}' if hours else 'at any hour'}.",
        f"Privacy budget: {f'epsilon {rules.privacy.lifetime_epsilon:g} for ever' if rules.privacy else 'none: a study that would spend of one is refused'}.",
        f"Counts without a study: {'by the researchers named' if rules.feasibility else 'for nobody'}.",
        *(("A permit of the hospital's own, in Cedar, has to permit the study too.",) if rules.cedar else ()),
        *(f"Without a person: {rule.rule}." for rule in rules.approve),
        _who_signs(rules),
    )


def wide(rules: SiteRules) -> tuple[str, ...]:
    """What is wide open in these rules, for whoever should think about it once more."""
    found = []
    if rules.researchers == "any":
        found.append("researchers: any: whoever has an account at the hub may ask")
    found += [
        f"approve: {rule.rule}: anybody's study may run without a person"
        for rule in rules.approve
        if rule.researchers == "any"
    ]
    if rules.stewards is None:
        found.append("no stewards are named: whoever uses this account signs, under any name, without a key")
    if "C" in rules.modes:
        found.append("modes: C: weights of a researcher's own code leave, and may carry rows; a steward signs each")
    if isinstance(rules.sandbox, Unisolated):
        found.append("sandbox: code of strangers may run without walls")
    return tuple(found)


def _who_signs(rules: SiteRules) -> str:
    if rules.stewards is None:
        return "Everything else waits for one person, under any name."
    many = "two different stewards" if rules.stewards.needed == 2 else "one steward"
    return f"Everything else waits for {many}, by key: {_list(one.steward for one in rules.stewards.who)}."


def _list(words: object) -> str:
    return ", ".join(str(word) for word in words) or "nothing"  # type: ignore[attr-defined]


def _terms(codes: object) -> str:
    return _list(f"{code} ({SHORT.get(code, 'kind of research')})" for code in codes)  # type: ignore[attr-defined]


def _of(rules: SiteRules) -> str:
    return f", of {_list(rules.diseases)}" if rules.diseases else ""


def _people(rules: SiteRules) -> str:
    return "anybody" if rules.researchers == "any" else _list(rules.researchers)


def _walls(rules: SiteRules) -> str:
    return "none" if isinstance(rules.sandbox, Unisolated) else _list(sorted(rules.demanded_layers) or ["isolation"])
