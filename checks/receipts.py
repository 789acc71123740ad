"""The text of `docs/site-release-schema.json` and `docs/aggregation-schema.json`: the JSON schemas of the statements that receipts sign.

The shape is the one that `rapha.proof.claim` writes; the fields inside are the records' own. What no schema can say (the order of lists, and
that one name agrees with another) is in docs/receipt.md.
"""

import json
from typing import Annotated, Any

from pydantic import TypeAdapter

from rapha.proof.claim import AGGREGATION_BUILD, NODE_URI, PREDICATE_TYPE, SITE_BUILD, STATEMENT_TYPE
from rapha.proof.statement import MAX_REMARK_CHARS, MAX_REMARKS
from rapha.records.evidence import Evidence
from rapha.records.receipt import OPTIONAL, Aggregation
from rapha.records.record import Record
from rapha.records.release import Release

Schema = dict[str, Any]

REFERENCE = "#/$defs/{model}"
HEX = r"^[0-9a-f]{64}$"
ROUND = r"round/(0|[1-9][0-9]*)"
SITE = r"[a-z0-9][a-z0-9-]{0,62}"
INSIDE = ("site", "approval", "policy", "decided_by", "cohort", "numerics", "sandbox", "egress", "privacy")
PRESENT_OR_ABSENT = ("transcript", "freeze")


def site_page() -> str:
    """What a hospital signs."""
    fields, definitions = _fields(Release)
    mode = {"enum": ["B", "C"], "description": "absent where it is A"}
    external = {name: fields[name] for name in ("study", "study_digest", "architecture")} | {"mode": mode}
    internal = {name: fields[name] for name in INSIDE} | {name: _there(fields[name]) for name in PRESENT_OR_ABSENT}
    evidence, more = _record(Evidence)
    return _page(
        build=SITE_BUILD,
        subjects=[rf"^metrics/{SITE}\.json$", r"^model\.safetensors$"],
        external=_object(external, absent=("mode",)),
        internal=_object(internal | {"evidence": evidence} | _remarks(), absent=(*PRESENT_OR_ABSENT, "evidence")),
        went_in=_descriptor(rf"^(code|{ROUND}/weights-in)$"),
        came_out=rf"^{ROUND}/update$",
        builder=rf"^{NODE_URI}{SITE}$",
        packages=fields["packages"],
        definitions=definitions | more,
    )


def aggregation_page() -> str:
    """What the hub signs."""
    fields, definitions = _fields(Aggregation)
    inside = {name: fields[name] for name in ("hub", "method", "approvals", "denials")}
    inside |= {name: _there(fields[name]) for name in OPTIONAL}
    update = _descriptor(rf"^{ROUND}/update/.+$")
    update = _object(update["properties"] | {"annotations": _object({"weight": {"type": "integer"}})})
    return _page(
        build=AGGREGATION_BUILD,
        subjects=[r"^metrics\.json$", r"^model\.safetensors$"],
        external=_object({name: fields[name] for name in ("study", "study_digest")}),
        internal=_object(inside | _remarks(), absent=OPTIONAL),
        went_in={"anyOf": [_descriptor("^code$"), update]},
        came_out=rf"^{ROUND}/weights$",
        builder=r"^https://rapha\.dev/hub/[A-Za-z0-9_.~%-]+$",
        packages=fields["packages"],
        definitions=definitions,
    )


def _page(
    *,
    build: str,
    subjects: list[str],
    external: Schema,
    internal: Schema,
    went_in: Schema,
    came_out: str,
    builder: str,
    packages: Schema,
    definitions: Schema,
) -> str:
    definition = {"buildType": {"const": build}, "externalParameters": external, "internalParameters": internal}
    definition["resolvedDependencies"] = _list(went_in) | {"minItems": 1}
    metadata = _object(
        {
            "invocationId": _text(r"^[0-9a-f]{32}$"),
            "finishedOn": _text(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"),
        }
    )
    details = {"builder": _object({"id": _text(builder), "version": packages}), "metadata": metadata}
    details["byproducts"] = _list(_descriptor(came_out))
    subject = _list({"anyOf": [_descriptor(name) for name in subjects]}) | {
        "minItems": len(subjects),
        "maxItems": len(subjects),
    }
    statement = {
        "_type": {"const": STATEMENT_TYPE},
        "subject": subject,
        "predicateType": {"const": PREDICATE_TYPE},
        "predicate": _object({"buildDefinition": _object(definition), "runDetails": _object(details)}),
    }
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_object(statement), "$defs": definitions}
    return json.dumps(schema, indent=2) + "\n"


def _fields(record: type[Record]) -> tuple[Schema, Schema]:
    """Its fields as they are written (reals as strings, and nothing left out inside of them), and what they refer to."""
    fields, definitions = {}, {}
    for name, field in record.model_fields.items():
        kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        fields[name] = TypeAdapter(kind).json_schema(mode="serialization", ref_template=REFERENCE)
        definitions |= fields[name].pop("$defs", {})
    return fields, definitions


def _record(record: type[Record]) -> tuple[Schema, Schema]:
    schema = record.model_json_schema(ref_template=REFERENCE)
    return schema, schema.pop("$defs", {})


def _there(field: Schema) -> Schema:
    """A field that is absent, and not null, where there is nothing of it."""
    return next(form for form in field["anyOf"] if form != {"type": "null"})


def _remarks() -> Schema:
    remark = {"type": "string", "maxLength": MAX_REMARK_CHARS}
    return {"tier": {"const": "T0"}, "not_shown": {"type": "array", "items": remark, "maxItems": MAX_REMARKS}}


def _descriptor(name: str) -> Schema:
    return _object({"name": _text(name), "digest": _object({"sha256": _text(HEX)})})


def _object(properties: Schema, *, absent: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in absent]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}
