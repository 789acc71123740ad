"""What the site says it has: measured on the timeline, suppressed before anyone sees it."""

from rapha import __version__
from rapha.egress import profile as fit
from rapha.node.configuration import Home
from rapha.policy.rules import SiteRules
from rapha.records.site import SiteProfile
from rapha.timeline.coverage import Coverage, measure
from rapha.timeline.reader import open_timeline

OLDEST_YEAR, NEWEST_YEAR = 1800, 2200


def measure_profile(home: Home, rules: SiteRules) -> SiteProfile:
    """The site's profile under its own rules: counts below `minimum_cohort` are not told.

    Raises:
        ConfigurationError: nothing was ingested yet.
    """
    with open_timeline(home.timeline).connect() as connection:
        found = measure(connection, rules.minimum_cohort)
    return profile_of(found, home.configuration.site, home.configuration.name, rules, home.secret)


def profile_of(found: Coverage, site: str, name: str, rules: SiteRules, key: bytes) -> SiteProfile:
    """What may be told of a coverage. `key` is the site's secret."""
    threshold = rules.minimum_cohort
    shown = fit.shown_with(threshold, key)
    patients = shown(found.patients, "patients")
    covered = [y for y, n in found.years.items() if n >= threshold and OLDEST_YEAR <= y <= NEWEST_YEAR]
    span = range(min(covered), max(covered) + 1) if covered else range(0)
    return SiteProfile(
        site=site,
        name=name,
        modalities=rules.modalities,
        data_use=(*rules.purposes, *(condition.code for condition in rules.conditions)),
        patients=patients,
        sexes=fit.groups(found.sexes, patients, threshold, shown, "sex"),
        ages=fit.groups(found.ages, patients, threshold, shown, "age"),
        observed=fit.groups(found.observed, patients, threshold, shown, "observed"),
        first_year=min(covered, default=None),
        last_year=max(covered, default=None),
        coverage=fit.coverage(found.codes, span, threshold, key),
        version=__version__,
    )
