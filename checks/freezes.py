"""The text of `docs/freeze-schema.json`: the JSON schema of what a hospital signs of its cohort before a run."""

import json

from rapha.records.freeze import Freeze


def page() -> str:
    """The schema, as the record itself gives it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Freeze.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
