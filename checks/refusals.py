"""The text of `docs/refusal-schema.json`: the JSON schema of what a hospital signs when it refuses."""

import json

from rapha.records.refusal import Refusal


def page() -> str:
    """The schema, as the record itself gives it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Refusal.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
