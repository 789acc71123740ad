"""The text of `docs/evidence-schema.json`: the JSON schema of the hardware evidence that a statement may have."""

import json

from rapha.records.evidence import Evidence


def page() -> str:
    """The schema, as the record itself gives it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Evidence.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
