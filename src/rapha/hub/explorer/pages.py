"""The pages as text: templates beside this file, every value escaped, no script, one style whose hash is all the policy allows."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # a hub that shows no page starts without it

    return Environment(
        loader=PackageLoader("rapha.hub.explorer", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def style() -> str:
    """The style of every page."""
    return (HERE / "explorer.css").read_text(encoding="utf-8")


@cache
def explorer_policy() -> str:
    """The Content-Security-Policy: nothing is loaded, run, sent or embedded; this style alone applies."""
    hashed = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def rendered(template: str, **values: Any) -> str:
    """A page: `template` is a name without `.html.j2`."""
    return _environment().get_template(f"{template}.html.j2").render(style=style(), **values)
