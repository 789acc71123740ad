"""Which sites a study goes to. A rule: profiles in, sites and reasons out."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapha.policy.data_use import advice
from rapha.records.concept import Concept
from rapha.records.decision import Facts
from rapha.records.record import SiteId
from rapha.records.release import ReasonCode
from rapha.records.site import SiteProfile
from rapha.records.study import Study


@dataclass(frozen=True)
class Route:
    """`sites` get the study. `left_out`: the others, and why. `refusal`: set when the study cannot run at all."""

    sites: tuple[SiteId, ...]
    left_out: dict[str, ReasonCode]
    refusal: ReasonCode | None = None
    detail: str = ""


def route(study: Study, enrolled: Sequence[str], profiles: Sequence[SiteProfile], at_least: int | None = None) -> Route:
    """The sites that `sites.only`, the modalities and the terms of data use admit, in order of their names.

    A site without a profile yet is asked: it decides itself. A concept that no profile lists is not worth asking for,
    so the study is refused; but only when every admitted site has a profile, for what is not known may be there. It is
    refused too where fewer can be asked than `at_least`; the study's own number, if not given.
    """
    named = study.sites.only or tuple(enrolled)
    by_site = {profile.site: profile for profile in profiles}
    sites: list[SiteId] = []
    left_out: dict[str, ReasonCode] = {}
    for site in sorted(set(named) & set(enrolled)):
        profile = by_site.get(site)
        reason = _not_worth_asking(study, profile) if profile else None
        if reason:
            left_out[site] = reason
        else:
            sites.append(SiteId(site))
    known = [by_site[site] for site in sites if site in by_site]
    absent = _concepts_of_nobody(study, known) if known and len(known) == len(sites) else []
    if absent:
        return Route(
            (),
            left_out,
            "unknown-concept",
            f"no site lists a code of the concept {absent[0]}: too few patients have one, or it is coded otherwise",
        )
    needed = study.sites.at_least if at_least is None else at_least
    if len(sites) < needed:
        detail = f"{needed} sites are asked for, {len(sites)} of this hub can be asked"
        return Route((), left_out, _commonest(left_out), detail)
    return Route(tuple(sites), left_out)


def _not_worth_asking(study: Study, profile: SiteProfile) -> ReasonCode | None:
    """By the site's own profile; advice, since the site decides."""
    if not set(study.data.modalities) <= set(profile.modalities):
        return "modality-not-offered"
    return advice(Facts.of(study, researcher="", isolated=True), profile.data_use)


def _concepts_of_nobody(study: Study, profiles: Sequence[SiteProfile]) -> list[str]:
    covered = {(line.system, line.code) for profile in profiles for line in profile.coverage}
    return [name for name, concept in study.concepts.items() if _unmet(concept, covered)]


def _unmet(concept: Concept, covered: set[tuple[str, str]]) -> bool:
    return not concept.beyond_profiles and not set(concept.written_codes()) & covered


def _commonest(left_out: dict[str, ReasonCode]) -> ReasonCode:
    reasons = sorted(left_out.values())
    return max(reasons, key=reasons.count) if reasons else "not-approved"
