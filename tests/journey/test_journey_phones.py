"""Phones as nodes: consent, rounds and sums, through a real hub. A town of 40 is quick, one of 1,000 slow."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_at_hand import Clock, HubAtHand, running
from phones import Phone, Relay, is_held_out

from rapha.errors import NotPermitted, Unproven
from rapha.proof import masked_sum
from rapha.proof.consent import seal_said
from rapha.records.consent import Withdrawal
from rapha.records.device import Advert, DeviceTask
from rapha.records.study import Study
from rapha.records.wire import Offer, Stop, Work
from rapha.sdk.study_file import read_study

RANGES = ((0.0, 14.0), (0.0, 6.0), (30.0, 110.0), (-3.0, 3.0), (0.0, 250.0), (0.0, 30_000.0), (0.0, 29.0), (0.0, 110.0))
"""Public, of the eight features of the example: hours, hours, beats, beats a day, milliseconds, steps, days, years."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(tmp_path: Path, clock: Clock) -> Iterator[HubAtHand]:
    with running(tmp_path / "hub", clock) as at_hand:
        yield at_hand


@pytest.fixture
def study(checkout: Path) -> Study:
    asked = read_study(checkout / "examples" / "sleep-and-heart-rate" / "study.yaml")
    return Study.model_validate(asked.as_json() | {"sites": {"at_least": 1}, "training": {"rounds": 2}})


def people(count: int, clock: Clock) -> list[Phone]:
    """Who sleeps little, with a pulse that climbs, falls ill more often; some have no variability."""
    dice, phones = random.Random(7), []
    for number in range(count):
        case = dice.random() < 0.4
        sleep, resting = dice.gauss(6.2 if case else 7.4, 0.9), dice.gauss(66 if case else 58, 6)
        row = [
            sleep,
            sleep / 4,
            resting,
            dice.gauss(0.1 * case, 0.1),
            dice.gauss(50, 12),
            dice.gauss(7000, 2000),
            27.0,
            40.0 + number % 40,
        ]
        row[4] = None if number % 9 == 0 else row[4]
        phones.append(Phone(row, case, clock, seed=number))
    return phones


def agreed(hub: HubAtHand, study: Study, phones: list[Phone], at_least: int, noise: float = 0.0) -> Relay:
    relay = Relay(hub, "phone-town", phones, RANGES, noise).join_with(study)
    for phone in phones:
        relay.take_consent(phone.agree(study, "phone-town", at_least))
    return relay


def run(hub: HubAtHand, relay: Relay, study: Study) -> str:
    """From the offer to the delivery."""
    token = hub.token()
    study_id = hub.submit(study, token)
    offer = relay.wait_for_work()
    assert isinstance(offer, Offer)
    relay.do(offer)
    while isinstance(work := relay.wait_for_work(), Work):
        relay.do(work)
    assert isinstance(work, Stop)
    return hub.wait_for(study_id, token, "completed").state


def draft_task(hub: HubAtHand, relay: Relay, study: Study) -> Work:
    hub.submit(study, hub.token())
    offer = relay.wait_for_work()
    assert isinstance(offer, Offer)
    relay.do(offer)
    work = relay.wait_for_work()
    assert isinstance(work, Work)
    return work


def test_a_study_over_phones_is_delivered_and_no_answer_alone_means_anything(hub, study, clock):
    phones = people(120, clock)
    relay = agreed(hub, study, phones, at_least=15)
    assert run(hub, relay, study) == "completed"
    assert relay.auroc > 0.6
    small = masked_sum.LARGEST_SUM / 100
    told = [abs(x) for answer in relay.seen for x in masked_sum.real_numbers(answer.masked)]
    assert sum(x < small for x in told) / len(told) < 0.05  # uniform: a hundredth of the words is as small as a part is


def test_the_sum_of_phones_is_what_their_rows_say(hub, study, clock):
    phones = people(60, clock)
    relay = agreed(hub, study, phones, at_least=20)
    work = draft_task(hub, relay, study)
    relay.study = study
    found = relay.tensors(work.task)
    asked = [phone for phone in phones if not is_held_out(phone.name, study.digest)]
    sleep = [phone.row[0] for phone in asked]
    assert found["features.count"][0] == pytest.approx(len(asked), abs=5)
    assert found["features.mean"][0] == pytest.approx(sum(sleep) / len(sleep), abs=0.4)
    assert found["features.count"][4] < len(asked)


def test_who_takes_it_back_is_not_in_the_next_round(hub, study, clock):
    phones = people(60, clock)
    relay = agreed(hub, study, phones, at_least=20)
    work = draft_task(hub, relay, study)
    relay.answer(work.task)
    leaver = next(phone for phone in phones if not is_held_out(phone.name, study.digest))
    before, size = leaver.answered, relay.rosters[-1][2]
    relay.take_withdrawal(leaver.withdraw())
    leaver.withdrawn.clear()  # were the phone itself to forget, the relay would not
    work = relay.wait_for_work()
    relay.answer(work.task)
    assert (leaver.answered, relay.rosters[-1][2]) == (before, size - 1) and before == 1


def test_a_phone_keeps_its_word_even_when_the_relay_does_not(hub, study, clock):
    """The relay forgets a withdrawal: the phone gives no key, and the round goes on without it."""
    phones = people(40, clock)
    relay = agreed(hub, study, phones, at_least=10)
    work = draft_task(hub, relay, study)
    leaver = next(phone for phone in phones if not is_held_out(phone.name, study.digest))
    leaver.withdraw()
    assert relay.answer(work.task).status_code == 204
    asked = sum(not is_held_out(phone.name, study.digest) for phone in phones)
    assert (leaver.answered, relay.rosters) == (0, [(0, 0, asked - 1)])


def test_a_yes_that_has_ended_ends_the_study_s_rounds(hub, study, clock):
    phones = people(40, clock)
    relay = agreed(hub, study, phones, at_least=10)
    work = draft_task(hub, relay, study)
    clock.pass_(days=91)
    with pytest.raises(NotPermitted, match="fewer than 10 devices"):
        relay.tensors(work.task)
    assert all(phone.answered == 0 for phone in phones)


def test_a_sum_of_too_few_is_never_made(hub, study, clock):
    phones = people(40, clock)
    relay = agreed(hub, study, phones, at_least=200)
    work = draft_task(hub, relay, study)
    with pytest.raises(NotPermitted, match="fewer than 200 devices"):
        relay.tensors(work.task)
    relay.consents = {name: c.model_copy(update={"at_least_devices": 10}) for name, c in relay.consents.items()}
    with pytest.raises(NotPermitted, match="sums of 200 devices or more"):
        relay.tensors(work.task)
    assert all(phone.answered == 0 for phone in phones)


def test_a_phone_that_goes_away_in_the_middle_costs_an_attempt_and_nothing_else(hub, study, clock):
    phones = people(60, clock)
    relay = agreed(hub, study, phones, at_least=20)
    work = draft_task(hub, relay, study)
    leaver = next(phone for phone in phones if not is_held_out(phone.name, study.digest))
    advertise = leaver.advertise

    def and_gone(*round_: object) -> bytes | None:
        said = advertise(*round_)
        leaver.reachable = False
        return said

    leaver.advertise = and_gone  # type: ignore[method-assign]
    assert relay.answer(work.task).status_code == 204
    (_, first, many), (_, second, fewer) = relay.rosters
    assert (first, second, many - fewer, leaver.answered) == (0, 1, 1, 0)


def test_a_phone_answers_once_under_its_masks(hub, study, clock):
    """Two answers under the same masks would tell their difference."""
    phones = people(12, clock)
    relay = agreed(hub, study, phones, at_least=10)
    adverts = [relay.open(phone.advertise(study.digest, 0, 0) or b"", Advert) for phone in phones]
    peers = [{"device": advert.device, "mask_key": advert.mask_key} for advert in adverts]
    low, high = zip(*RANGES, strict=True)
    said = {
        "study_digest": study.digest,
        "round": 0,
        "attempt": 0,
        "do": "prepare",
        "low": low,
        "high": high,
        "peers": peers,
    }
    task = DeviceTask.model_validate(said).as_bytes()
    assert phones[0].answer(task)
    with pytest.raises(NotPermitted, match="not the one this phone gave its key for"):
        phones[0].answer(task)
    swapped = [peers[0], {**peers[1], "mask_key": "0" * 64}, *peers[2:]]
    with pytest.raises(NotPermitted, match="not the one this phone gave its key for"):
        phones[1].answer(DeviceTask.model_validate({**said, "peers": swapped}).as_bytes())


def test_nobody_can_take_back_another_s_yes(hub, study, clock):
    phones = people(12, clock)
    relay = agreed(hub, study, phones, at_least=10)
    assert phones[0].consent
    forged = Withdrawal(consent=phones[0].consent.digest, device=phones[0].name, at=clock())
    with pytest.raises(Unproven, match="speaks for another device"):
        relay.take_withdrawal(seal_said(forged, phones[1].key).as_bytes())


@pytest.mark.slow
def test_a_study_over_a_thousand_phones_with_noise_on_each(hub, study, clock):
    phones = people(1000, clock)
    relay = agreed(hub, study, phones, at_least=150, noise=1.0)
    assert run(hub, relay, study) == "completed"
    assert relay.auroc > 0.7
    assert [number for number, _, _ in relay.rosters] == [0, 1, 2, 3]
    assert sum(size for number, _, size in relay.rosters if number in (0, 3)) == 1000
