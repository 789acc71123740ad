"""What an event of a study says, in a sentence."""

from rapha.policy.explain import SENTENCES
from rapha.records.lifecycle import STUDY
from rapha.records.wire import Event

LABELS = {
    "loss": "loss",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier",
    "c_index": "C-index",
    "r2": "R²",
    "mae": "MAE",
    "rmse": "RMSE",
    "macro_auroc": "mean AUROC",
    "accuracy": "accuracy",
    "perplexity": "perplexity",
    "dice": "Dice",
}
_STUDY = {
    "study.submitted": "Submitted.",
    "study.answered": "Every hospital has answered.",
    "study.recruited": "Enough hospitals take part.",
    "study.prepared": "Statistics of the features are merged; training starts.",
    "study.trained": "Training is done; every hospital tests the final model.",
    "study.completed": "Completed: fetch the model folder.",
    "study.cancelled": "Cancelled.",
    "study.paused": "Paused: no hospital is given more work.",
    "study.resumed": "It goes on.",
}
_SITE = {
    "dispatch.offered": "is asked",
    "dispatch.pending": "a person has to decide",
    "dispatch.released": "has let out its figures and signed its receipt",
    "dispatch.withdrawn": "is no longer asked",
}
_ROUNDS = {"prepare": "Round 0: statistics of the features.", "evaluate": "Final round: test on held-out patients."}
_STATES = {move.event: move.target for move in STUDY}


def state_after(event: Event) -> str | None:
    """The state of the study once this event has happened; None where it changes none."""
    return event.facts.get("state") or _STATES.get(event.event)


def unlike(event: Event) -> tuple[str, ...]:
    """The hospitals that a closed round names as unlike all others."""
    return tuple(event.facts.get("unlike_others", "").split()) if event.event == "round.closed" else ()


def sentence(event: Event) -> str | None:
    """One line for a person, without control characters; None for what need not be told."""
    said = _of_site(event) if event.site else _of_study(event)
    return "".join(letter if letter.isprintable() else "?" for letter in said) if said else None


def reason_in_words(code: str) -> str:
    """A reason code with its sentence, or what the hub wrote instead of one."""
    known = {str(each): words for each, words in SENTENCES.items()}
    return f"{known[code]} ({code})" if code in known else code


def _of_study(event: Event) -> str | None:
    facts = event.facts
    if event.event in ("study.routed", "study.asked"):
        left_out = "".join(f" {site} is left out: {code}." for site, code in facts.items() if site != "sites")
        return f"Sent to {', '.join(facts.get('sites', '').split()) or 'nobody'}.{left_out}"
    if event.event in ("study.refused", "study.failed"):
        verb = "Refused" if event.event == "study.refused" else "Failed"
        return f"{verb}: {reason_in_words(facts.get('reason', 'no reason given'))}"
    if event.event == "round.opened":
        return _ROUNDS.get(facts.get("do", ""))
    if event.event == "round.closed":
        parts = (_scores(facts), f"ALARM: unlike all others: {', '.join(sites)}" if (sites := unlike(event)) else "")
        said = "  ".join(part for part in parts if part)
        return f"round {event.round or 0:>3}  {'all hospitals':<20} {said}" if said else None
    return _STUDY.get(event.event)


def _of_site(event: Event) -> str | None:
    site, facts = f"{event.site:<20}", event.facts
    if event.event == "dispatch.feasible":
        return f"{site} would have {facts.get('patients', 'an unknown number of')} patients"
    if event.event == "dispatch.answered":
        cases = f", {facts['events']} with the outcome" if "events" in facts else ""
        return f"{site} would have {facts.get('patients', 'an unknown number of')} patients{cases}"
    if event.event == "dispatch.approved":
        return f"{site} approves ({facts.get('decided_by', 'by whom is not said')})"
    if event.event == "dispatch.denied":
        return f"{site} declines: {reason_in_words(facts.get('reason', 'no reason given'))}"
    if event.event == "dispatch.failed":  # with it comes a `task.failed` of the same reason
        return f"{site} could not go on: {reason_in_words(facts.get('reason', 'no reason given'))}"
    if event.event == "task.missed":
        return f"round {event.round or 0:>3}  {site} did not answer in time"
    if event.event == "task.done":
        return f"round {event.round or 0:>3}  {site} {_scores(facts)}" if _scores(facts) else None
    return f"{site} {_SITE[event.event]}" if event.event in _SITE else None


def _scores(facts: dict[str, str]) -> str:
    return "  ".join(f"{label} {facts[name][:9]}" for name, label in LABELS.items() if name in facts)
