"""The page that checks receipts in a browser: one file, put together from the scripts of this folder. Begin with verify.js.

The scripts are plain JavaScript modules that mirror the pages of `rapha.proof` by name. What both sides have to say alike, and
the shapes of the records, are written in from here, so that there is one definition of each.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rapha import __version__
from rapha.errors import ConfigurationError
from rapha.proof import certified, claim, freeze, logged, refusal, remarks, repeat, shown, verify
from rapha.records.audit import AUDIT_PASSED
from rapha.records.bundle import Bundle
from rapha.records.certified import CertifiedBundle, TrustConfig
from rapha.records.evidence import Evidence
from rapha.records.freeze import Freeze
from rapha.records.receipt import Aggregation, Receipt
from rapha.records.refusal import OF_THE_DATA, STAGES, Refusal
from rapha.records.release import Release
from rapha.records.transcript import EVERY_STEPS, Repeat
from rapha.records.wire import TrustedKeys

PAGE_FILE = "receipt.html"
HERE = Path(__file__).parent
ORDER = (
    "checklist", "bytes", "json", "shape", "der", "keys", "merkle", "checkpoint", "bundle", "logged", "statement",
    "certificate", "timestamp", "window", "certified", "study", "chain", "refusal", "freeze",
    "shown", "verify", "repeat", "files", "view", "main",
)  # fmt: skip
"""Each module comes after those that it imports."""
STATED = "stated"
"""The module that is written here."""
SHAPES = (
    Bundle,
    CertifiedBundle,
    TrustConfig,
    TrustedKeys,
    Release,
    Aggregation,
    Refusal,
    Freeze,
    Receipt,
    Repeat,
    Evidence,
)
UNDERSTOOD = frozenset({
    "$ref", "anyOf", "const", "enum", "type", "minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems",
    "items", "properties", "required", "additionalProperties",
})  # fmt: skip
"""The words of JSON Schema that shape.js knows."""
_SILENT = frozenset({"title", "description", "default"})
_IMPORT = re.compile(r'^import \{(?P<names>[\w, ]+)\} from "\./(?P<module>\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?P<rest>(?:async )?(?:function|class|const) (?P<name>\w+)(?P<more>[^\n]*))", re.MULTILINE
)


@cache
def receipt_page() -> str:
    """The page, whole: no other file, no server."""
    style, script = _read("page.css"), assembled({name: _read(f"{name}.js") for name in ORDER})
    parts = {"policy": policy(style, script), "style": style, "script": script, "version": f"Rapha {__version__}."}
    return re.sub(r"@(policy|style|script|version)@", lambda found: parts[found[1]], _read("page.html"))


@cache
def page_policy() -> str:
    """The page's Content-Security-Policy, for a server that sends it as a header too."""
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', receipt_page())
    assert found  # by receipt_page
    return found[1]


def policy(style: str, script: str) -> str:
    """Nothing may be loaded, sent or embedded; this script and this style alone may run."""
    allowed = f"script-src '{_sha256(script)}'; style-src '{_sha256(style)}'"
    return f"default-src 'none'; connect-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def assembled(sources: Mapping[str, str]) -> str:
    """One script of these modules, in this order; each sees what it imports and nothing else.

    Raises:
        ConfigurationError: a module imports what no module before it gives, or cannot stand inside a page.
    """
    given: dict[str, set[str]] = {STATED: {"said", "shapes"}}
    written = [f'"use strict";\nconst {STATED}_js = {_in_script({"said": said(), "shapes": shapes()})};']
    for name, source in sources.items():
        written.append(_wrapped(name, source, given))
    return "\n".join(written)


def said() -> dict[str, Any]:
    """Words that page and command say alike."""
    names = ("AGGREGATION_BUILD", "AGGREGATION_RECEIPT", "HUB_URI", "NODE_URI", "POOLED_METRICS_FILE", "PREDICATE_TYPE", "SITE_BUILD",
             "STATEMENT_TYPE", "WEIGHTS_FILE", *(name for name in vars(claim) if name.endswith("_NOT_SHOWN")))  # fmt: skip
    return {
        **{name: getattr(claim, name) for name in names},
        **{name: getattr(verify, name) for name in ("KEYS_FILE", "KEYS_FROM_FOLDER")},
        **{name: getattr(refusal, name) for name in ("REFUSALS", "REFUSAL_NOT_SHOWN", "REFUSAL_TYPE", "STUDY_FILE")},
        **{
            name: getattr(freeze, name)
            for name in ("FREEZES", "FREEZE_NOT_SHOWN", "FREEZE_TYPE", "NOT_FROZEN_BEFORE", "NO_FREEZE")
        },
        "FREEZE_WITHIN_SECONDS": int(freeze.WITHIN.total_seconds()),
        "STAGES": STAGES,
        "OF_THE_DATA": OF_THE_DATA,
        "EVERY_STEPS": EVERY_STEPS,
        **{name: getattr(certified, name) for name in ("AUTHORITY", "CERTIFICATE_LOG", "STAMPER", "TRUST_CONFIG_FILE")},
        "NO_WITNESS": logged.NO_WITNESS,
        "AUDIT_PASSED": AUDIT_PASSED,
        **{name: getattr(shown, name) for name in ("NOT_ANCHORED", "STAMPED_NOT_SHOWN")},
        "PLAIN_NEGATIVES": sorted(remarks.PLAIN_NEGATIVES),
        "SIGNERS_WORDS": sorted(shown.SIGNERS_WORDS),
        "SANDBOXES": sorted(shown.SANDBOXES),
        **{name: getattr(repeat, name) for name in ("REPEAT_TYPE", "T1_NOT_SHOWN")},
        "REPEATER": repeat.ROLE,
        "REPEAT_CHECK": repeat.CHECK,
    }


def shapes() -> dict[str, Any]:
    """JSON schemas of the records that are read, by name, in the words that shape.js knows.

    Raises:
        ConfigurationError: a record's schema needs another word.
    """
    return {record.__name__: _shape(record.model_json_schema()) for record in SHAPES}


def _shape(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for word, value in schema.items():
        if word in _SILENT:
            continue
        if word in ("properties", "$defs"):
            kept[word] = {name: _shape(one) for name, one in value.items()}
        elif word not in UNDERSTOOD:
            raise ConfigurationError(
                f"the page's shape.js does not know {word!r} of JSON Schema: teach it, or do without"
            )
        elif word in ("items", "additionalProperties") and isinstance(value, Mapping):
            kept[word] = _shape(value)
        else:
            kept[word] = [_shape(one) for one in value] if word == "anyOf" else value
    return kept


def _wrapped(name: str, source: str, given: dict[str, set[str]]) -> str:
    if "</script" in source.lower() or "<!--" in source:
        raise ConfigurationError(f"{name}.js has what would end the script of the page")

    def imported(found: re.Match[str]) -> str:
        missing = set(_names(found["names"])) - given.get(found["module"], set())
        if missing:
            raise ConfigurationError(
                f"{name}.js imports {', '.join(sorted(missing))}, which {found['module']}.js does not give"
            )
        return f"const {{{found['names']}}} = {found['module']}_js;"

    body, exports = _IMPORT.sub(imported, source), _exports(source)
    if re.search(r"^import ", body, re.MULTILINE):
        raise ConfigurationError(f"{name}.js has an import in another form than the one used here")
    given[name] = exports
    return f"const {name}_js = (() => {{\n{_EXPORT.sub(lambda found: found['rest'], body)}return {{{', '.join(sorted(exports))}}};\n}})();"


def _exports(source: str) -> set[str]:
    """Also of `export const A = 1, B = 2;` on one line."""
    found = set()
    for one in _EXPORT.finditer(source):
        found.add(one["name"])
        if one["rest"].startswith("const") and one["rest"].endswith(";"):
            found |= set(re.findall(r", ([A-Z][A-Z0-9_]*) = ", one["more"]))
    return found


def _names(listed: str) -> Iterable[str]:
    return (name.strip() for name in listed.split(","))


def _in_script(value: Any) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).replace("<", "\\u003c")


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
