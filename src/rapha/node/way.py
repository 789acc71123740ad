"""The way to a hub: its address, the proxy on the way out of the hospital, and whom to believe that it is the hub."""

import base64
import ssl
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from rapha.errors import ConfigurationError

_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Where something listens. `secure`: by TLS. `path` is what stands before every path there, with no slash at its end."""

    secure: bool
    host: str
    port: int
    path: str = ""


class Proxy(NamedTuple):
    """`credential`: what to send it as Proxy-Authorization, empty where nothing is."""

    address: Address
    credential: str


class Way(NamedTuple):
    """`trust` is None where nothing on the way is by TLS."""

    hub: Address
    proxy: Proxy | None
    trust: ssl.SSLContext | None


def way_to(url: str, ca: str | None, certificate: str | None, proxy: str | None = None) -> Way:
    """The way to a hub. `ca`, `certificate`: as `trusted_authorities`. `proxy`: a URL; where there is none, what the environment says:
    HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.

    Raises:
        ConfigurationError: an address is none; a file cannot be used; the proxy is of a kind that is not spoken with.
    """
    hub = address_of(url)
    if hub is None:
        raise ConfigurationError(f"{url!r} is not the address of a hub; it reads like https://hub.example.org")
    through = _proxy(proxy or _of_the_environment(hub))
    if through is not None and through.address.secure and hub.secure:
        raise ConfigurationError(
            "a hub with https is not reached through a proxy with https: name it as http://HOST:PORT"
        )
    by_tls = hub.secure or (through is not None and through.address.secure)
    trust = trusted_authorities(ca, certificate) if by_tls or ca or certificate else None
    return Way(hub, through, trust)


def address_of(url: str) -> Address | None:
    """Where a URL leads; None where nothing could be there."""
    try:
        parsed = urlsplit(url)
        port = parsed.port
    except ValueError:
        return None
    if parsed.scheme not in _PORTS or not parsed.hostname:
        return None
    return Address(parsed.scheme == "https", parsed.hostname, port or _PORTS[parsed.scheme], parsed.path.rstrip("/"))


def trusted_authorities(ca: str | None, certificate: str | None = None) -> ssl.SSLContext:
    """Whom to believe that the hub is the hub: the authorities of a PEM file, else the public ones. `certificate`: a PEM
    file of what to show it where it asks, with its key.

    Raises:
        ConfigurationError: a file cannot be read, holds no certificate, or not its key.
    """
    try:
        context = ssl.create_default_context(cafile=ca) if ca else _public_authorities()
    except OSError as error:  # an SSLError is one
        why = "no certificate in PEM is in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(f"{ca}: not a certificate authority ({why})") from None
    try:
        if certificate:
            context.load_cert_chain(certificate, password="")  # else a terminal is asked for one
    except OSError as error:
        why = "it holds no certificate with its key, both in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(f"{certificate}: not a certificate to show ({why})") from None
    return context


def _public_authorities() -> ssl.SSLContext:
    """Those of this machine, found where the researcher's client finds them."""
    from httpx2 import create_ssl_context  # its memory is spared where a hub has an authority of its own

    return create_ssl_context()


def _of_the_environment(hub: Address) -> str | None:
    found = getproxies()
    proxy = found.get("https" if hub.secure else "http") or found.get("all")
    return None if proxy is None or proxy_bypass(f"{hub.host}:{hub.port}") else proxy


def _proxy(url: str | None) -> Proxy | None:
    if url is None:
        return None
    url = url if "://" in url else f"http://{url}"
    address = address_of(url)
    if address is None:
        raise ConfigurationError(
            "the proxy's address is none that is spoken with; it reads like http://proxy.example:3128"
        )
    who, there, _ = urlsplit(url).netloc.rpartition("@")
    credential = "Basic " + base64.b64encode(unquote(who).encode()).decode() if there else ""
    return Proxy(address, credential)
