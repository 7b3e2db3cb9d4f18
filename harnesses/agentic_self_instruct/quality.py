"""The harness's own quality verifier. It advises: the evaluator has its own and the last word."""

import json
from dataclasses import dataclass

from harness_kit import Box, ModelFailed, read_flag, read_json

SCHEMA = {
    "type": "object",
    "properties": {"feedback": {"type": "string"}, "pass": {"type": "boolean"}},
    "required": ["feedback", "pass"],
    "additionalProperties": False,
}


@dataclass
class Verdict:
    passed: bool
    feedback: str


def check(box: Box, example: dict) -> Verdict:
    """Ask the verifier; a verifier that cannot be read or does not answer stops nothing."""
    shown = json.dumps(example, ensure_ascii=False, indent=1)
    asked = f"<example>\n{shown}\n</example>\n\n{box.read('prompts/verifier_format.md').strip()}"
    messages = [
        {"role": "system", "content": box.read("prompts/verifier.md")},
        {"role": "user", "content": asked},
    ]
    try:
        temperature = box.knobs["verifier_temperature"]
        verdict = read_json(box.chat("verifier", messages, temperature=temperature, json_schema=SCHEMA))
        passed = read_flag(verdict.get("pass"))
        if passed is None:
            raise ValueError("`pass` is neither true nor false")
        return Verdict(passed, str(verdict.get("feedback", "")))
    except (ModelFailed, ValueError) as error:
        box.log(f"the verifier gave no verdict: {error}")
        return Verdict(True, "")
