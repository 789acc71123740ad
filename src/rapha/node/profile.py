"""What the site says it has: measured on the timeline, suppressed before anyone sees it."""

from rapha import __version__
from rapha.egress.disclosure import suppress, suppress_coverage
from rapha.node.configuration import Home
from rapha.policy.rules import SiteRules
from rapha.records.site import SiteProfile
from rapha.timeline.coverage import measure
from rapha.timeline.reader import open_timeline


def measure_profile(home: Home, rules: SiteRules) -> SiteProfile:
    """The site's profile under its own rules: counts below `minimum_cohort` are not told.

    Raises:
        ConfigurationError: nothing was ingested yet.
    """
    with open_timeline(home.timeline).connect() as connection:
        coverage = measure(connection)
    return SiteProfile(
        site=home.configuration.site,
        name=home.configuration.name,
        modalities=rules.modalities,
        patients=suppress(coverage.patients, rules.minimum_cohort),
        first_year=coverage.first_year,
        last_year=coverage.last_year,
        coverage=suppress_coverage(coverage.codes, rules.minimum_cohort),
        version=__version__,
    )
