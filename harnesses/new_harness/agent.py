"""A small harness: ask for an example, have it measured, tell what was wrong, ask again.

It runs in a box without network, files or keys; `box` is all it has. What this function returns is ignored:
a paper counts as passed when the evaluator has accepted an example.
"""

from harness_kit import Box, BudgetSpent, MalformedExample, read_json


def main(box: Box) -> None:
    failures: list[str] = []
    for number in range(1, min(box.max_rounds, int(box.knobs["rounds"])) + 1):
        box.log(f"round {number}")  # logs are shown by `studbook show RUN:HARNESS PAPER`
        try:
            report = try_once(box, failures)
        except BudgetSpent:
            return  # no calls or rounds are left for this paper
        if report["status"] == "accepted":
            return
        failures.append(f"{report['category']}: {report['reason']}")


def try_once(box: Box, failures: list[str]) -> dict:
    """One example, measured. Weak solvers first: strong ones are paid for only while the weak ones fail.

    Other options of `box.chat`: max_tokens, json_mode, json_schema (docs/harnesses.md says what it may hold).
    """
    reply = box.chat("challenger", messages(box, failures), temperature=box.knobs["temperature"])
    try:
        example = read_json(reply)
        report = box.evaluate(example, solvers="weak")
        if report["status"] == "undecided":
            report = box.evaluate(example, solvers="both")
    except (ValueError, MalformedExample) as error:
        return {"status": "rejected", "category": "malformed", "reason": str(error)}
    return report


def messages(box: Box, failures: list[str]) -> list:
    """The paper, what to write, and what has failed so far."""
    parts = [f"<paper>\n{box.paper.text}\n</paper>", box.read("prompts/challenger.md")]
    if failures:
        told = "\n".join(f"- {failure}" for failure in failures)
        parts.append(f"Earlier questions on this paper failed:\n{told}\nAsk an entirely different question.")
    return [{"role": "user", "content": "\n\n".join(parts)}]
