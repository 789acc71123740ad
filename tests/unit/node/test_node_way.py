"""The way to a hub: what an address says, and which proxy is on it."""

import pytest

from rapha.errors import ConfigurationError
from rapha.node.way import Address, Proxy, address_of, way_to


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "environment", "through"),
    [
        ("http://hub.example", {"HTTP_PROXY": "http://one:1"}, "one"),
        ("https://hub.example", {"HTTP_PROXY": "http://one:1", "HTTPS_PROXY": "http://two:2"}, "two"),
        ("https://hub.example", {"ALL_PROXY": "three:3"}, "three"),
        ("https://hub.example", {"HTTPS_PROXY": "http://two:2", "NO_PROXY": "hub.example"}, None),
        ("http://hub.example", {"HTTPS_PROXY": "http://two:2"}, None),
    ],
)
def test_the_environment_may_name_a_proxy(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], through: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = way_to(url, None, None).proxy
    assert (found and found.address.host) == through
    told = way_to(url, None, None, "http://told:9").proxy
    assert told is not None and told.address == Address(False, "told", 9)


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxy_is_told_who_asks_also_where_its_scheme_is_left_out(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}us%40er:pass@proxy:3128")
    expected = Proxy(Address(False, "proxy", 3128), "Basic dXNAZXI6cGFzcw==")
    assert way_to("https://hub.example", None, None).proxy == expected


def test_a_proxy_that_is_not_spoken_with_is_refused() -> None:
    for proxy, said in (("socks5://proxy:1080", "http://proxy"), ("https://proxy", "http://HOST:PORT")):
        with pytest.raises(ConfigurationError, match=said):
            way_to("https://hub.example", None, None, proxy)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://hub.example", Address(True, "hub.example", 443)),
        ("http://hub.example:8400/rapha/", Address(False, "hub.example", 8400, "/rapha")),
        ("http://[::1]:8400", Address(False, "::1", 8400)),
        ("hub.example", None),
        ("ftp://hub.example", None),
        ("http://hub.example:99999", None),
        ("http://", None),
    ],
)
def test_an_address_is_read(url: str, address: Address | None) -> None:
    assert address_of(url) == address
