"""What a receipt says was spent, held against what the study asked for."""

from rapha.errors import Unproven
from rapha.records.release import PrivacyReport
from rapha.records.study import Study


def check_privacy(spent: PrivacyReport, study: Study) -> str:
    """What was spent, for a sentence; empty where no differential privacy was asked for, and none is spoken of.

    Raises:
        Unproven: it is not what the study asked for, or more.
    """
    terms = study.privacy.differential_privacy
    if terms is None:
        if spent.mechanism != "none":
            raise Unproven("the receipt speaks of differential privacy, which the study did not ask for")
        if any(stated is not None for name, stated in spent if name not in ("mechanism", "ledger")):
            raise Unproven("the receipt states what differential privacy spent, and that there was none")
        return ""
    by_script = study.mode == "B"
    asked = (terms.delta, terms.clip, None if by_script else terms.sampling_rate)
    if spent.mechanism != ("sample-and-aggregate" if by_script else "dp-sgd"):
        raise Unproven(f"the receipt is of release mode {study.mode}, and states the mechanism {spent.mechanism}")
    if spent.epsilon is None or (spent.delta, spent.clip, spent.sampling_rate) != asked:
        raise Unproven("the study asks for differential privacy, and the receipt does not state it as asked for")
    if not spent.epsilon <= terms.epsilon or spent.noise_multiplier is None or not spent.noise_multiplier > 0:
        raise Unproven(
            f"the receipt says that more was spent than epsilon {terms.epsilon:g}, or that there was no noise"
        )
    a_round = 1 if by_script else study.training.local_epochs * terms.steps_per_epoch
    if spent.steps != study.training.rounds * a_round or spent.unit is None:
        raise Unproven(
            "the receipt states what was spent over another number of steps than the study's, or does not say per whom"
        )
    return f"; differential privacy: epsilon at most {spent.epsilon:.3g} at delta {spent.delta:g}, per {spent.unit}"
