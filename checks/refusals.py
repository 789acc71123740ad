"""The text of `docs/refusal-schema.json`: the JSON schema of what a hospital signs when it refuses."""

import json

from rapha.records.refusal import STAGES, Refusal


def page() -> str:
    """The schema, as the record itself gives it, and which reasons each stage has."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Refusal.model_json_schema()}
    stages = dict.fromkeys(STAGES.values())
    reasons = {stage: [reason for reason, of in STAGES.items() if of == stage] for stage in stages}
    schema["anyOf"] = [{"properties": {"stage": {"const": s}, "reason": {"enum": reasons[s]}}} for s in stages]
    return json.dumps(schema, indent=2) + "\n"
