"""The hub keeps to its own OpenAPI description, whatever it is sent: no undocumented status, no 500, no other shape."""

import pytest
import schemathesis
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand
from hypothesis import HealthCheck, given, settings
from schemathesis import checks

pytestmark = pytest.mark.slow
checks.load_all_checks()
CHECKS = checks.CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)


@pytest.fixture
def hub(tmp_path):
    """Started and stopped by schemathesis."""
    return HubAtHand(tmp_path / "hub", Clock())


CREDENTIALS = {
    "stranger": lambda hub: lambda case: {},
    "researcher": lambda hub: always({"authorization": f"Bearer {hub.token()}"}),
    "node": lambda hub: signing(FakeSite(hub, "north").join()),
}


def always(headers):
    return lambda case: headers


def signing(site):
    return lambda case: site.headers(case.method, case.formatted_path)


@pytest.mark.parametrize("who", CREDENTIALS)
def test_everyone_gets_what_is_described(hub, who):
    credential = CREDENTIALS[who](hub)
    schema = schemathesis.openapi.from_asgi("/openapi.json", hub.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
        def ask(case):
            waits_not(case)
            case.call_and_validate(headers=credential(case), checks=CHECKS)

        ask()


def waits_not(case):
    """A long poll answers at once."""
    if isinstance(case.body, dict) and case.path.endswith("/node/work"):
        case.body["wait_seconds"] = 0
    if isinstance(case.query, dict) and "wait_seconds" in case.query:
        case.query["wait_seconds"] = 0
