"""The harness's own quality verifier. It advises: the evaluator has its own and the last word."""

import json
from dataclasses import dataclass

from harness_kit import Box, ModelFailed


@dataclass
class Verdict:
    passed: bool
    feedback: str


def check(box: Box, example: dict) -> Verdict:
    """Ask the verifier; a verifier that cannot be read or does not answer stops nothing."""
    messages = [
        {"role": "system", "content": box.read("prompts/verifier.md")},
        {
            "role": "user",
            "content": f"<example>\n{json.dumps(example, ensure_ascii=False, indent=1)}\n</example>",
        },
    ]
    try:
        reply = box.chat("verifier", messages, temperature=box.knobs["verifier_temperature"])
        verdict = json.loads(reply[reply.index("{") : reply.rindex("}") + 1])
        return Verdict(bool(verdict["pass"]), str(verdict.get("feedback", "")))
    except (ModelFailed, ValueError, KeyError, TypeError) as error:
        box.log(f"the verifier gave no verdict: {error}")
        return Verdict(True, "")
