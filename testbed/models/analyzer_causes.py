"""What may lie behind the signs: causes, how strongly the counts speak for each, and what could be done.

The counts decide the order; nothing here knows which remedy works. `HUNCHES` are what an analyst suspects
without evidence: they fill the end of a sound analysis and head a mistaken one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from studbook.testbed.models.analyzer_signs import Signs, mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """`sign` names the quotes that show it; `weight` is how much of the failures it may account for."""

    name: str
    title: str
    sign: str
    weight: Callable[[Signs], float]
    observed: Callable[[Signs], str]
    readings: tuple[str, ...]
    remedies: tuple[str, ...]


def _easy(signs: Signs) -> float:
    return signs.share(signs.categories["too_easy"] + signs.categories["small_gap"], signs.failed_rounds)


def _generic(signs: Signs) -> float:
    return 0.2 * _easy(signs) + 0.9 * signs.share(signs.generic, signs.questions)


def _leak(signs: Signs) -> float:
    leaking = signs.share(signs.leaks, signs.questions)
    given = signs.share(signs.weak_met_in_context, signs.weak_met)
    return 0.15 * _easy(signs) + 0.6 * leaking + 0.5 * given


def _misfire(signs: Signs) -> float:
    marks = signs.share(signs.misfires, signs.strong_negative_marks)
    failed = signs.share(
        signs.categories["strong_failed"] + signs.categories["small_gap"], signs.failed_rounds
    )
    return 2.0 * marks + 0.5 * failed * (signs.negatives > 0)


def _form(signs: Signs) -> float:
    lost = signs.unreadable + signs.quoted_weights + signs.categories["malformed"]
    return 0.9 * signs.share(lost, signs.replies + signs.categories["malformed"])


def _refusals(signs: Signs) -> float:
    return 0.5 * signs.share(signs.own_refusals, signs.verifier_replies)


def _repeats(signs: Signs) -> float:
    return 0.7 * signs.share(signs.repeated, signs.questions)


CAUSES = (
    Cause(
        name="generic",
        title="The questions do not need this paper",
        sign="generic",
        weight=_generic,
        observed=lambda s: (
            f"{s.generic} of {s.questions} questions could be put to any paper of the field, and "
            f"{s.categories['too_easy']} of {s.failed_rounds} failed rounds were too easy "
            f"(weak average {mean(s.weak_averages):.2f})."
        ),
        readings=(
            (
                "The weak solver answers them from general knowledge, without having read anything: "
                "nothing in "
                "the question hangs on an insight found only in this paper."
            ),
            (
                "A reader who knows the field answers such generic questions without the paper. What "
                "is specific "
                "to it, its own mechanism and findings, is never asked for."
            ),
        ),
        remedies=(
            "Have the challenger ask only for what cannot be known without reading this very paper.",
            "Tie every question to a finding or mechanism specific to the paper; refuse generic ones.",
        ),
    ),
    Cause(
        name="leak",
        title="The context gives the answer away",
        sign="leak",
        weight=_leak,
        observed=lambda s: (
            f"In {s.leaks} of {s.questions} examples the context already holds most words of the reference "
            f"answer; {s.weak_met_in_context} of {s.weak_met} criteria met by weak answers can be copied "
            "from the context."
        ),
        readings=(
            (
                "The weak solver need not reason, it copies: the context states the solution instead of "
                "the problem."
            ),
            "The context leaks the result. A solver without the paper reads the answer off the background.",
        ),
        remedies=(
            "Keep the solution and the results out of the context; let it set the scene only.",
            "Restrict the context to domain and problem, and check it for leaked answers before evaluating.",
        ),
    ),
    Cause(
        name="negative",
        title="Negative criteria punish good answers",
        sign="negative",
        weight=_misfire,
        observed=lambda s: (
            f"{s.negatives} of {s.criteria} criteria carry a negative weight; in strong answers "
            f"{s.misfires} of {s.strong_negative_marks} of them were marked as met, and {s.heavy} "
            "weights lie "
            f"beyond 7 (strong average {mean(s.strong_averages):.2f})."
        ),
        readings=(
            (
                "These penalties misfire: a correct answer mentions the very words of the error and "
                "loses points, "
                "so the strong average and the gap collapse."
            ),
            (
                "The judge marks penalties as met in correct answers. Negative weights add noise, not "
                "difficulty."
            ),
        ),
        remedies=(
            (
                "Use a rubric of positive criteria only with modest weights, and stop the verifier "
                "demanding negatives."
            ),
            "Drop the negative criteria from rubric and verification alike; cap the weights.",
        ),
    ),
    Cause(
        name="form",
        title="Replies cannot be read",
        sign="form",
        weight=_form,
        observed=lambda s: (
            f"{s.unreadable} of {s.replies} challenger replies are not valid JSON, {s.quoted_weights} write "
            f"weights as strings, and {s.categories['malformed']} examples were malformed."
        ),
        readings=(
            (
                "A round is lost each time the JSON does not parse or a weight is a string, whatever "
                "the question "
                "was worth."
            ),
            (
                "The output format is sloppy: text around the object, quoted weights, trailing "
                "commas. The parser "
                "takes none of it."
            ),
        ),
        remedies=(
            "Demand strict JSON with whole-number weights, or parse leniently and retry.",
            "State the output format exactly, and make the parsing code forgive small slips.",
        ),
    ),
    Cause(
        name="verifier",
        title="The harness's own verifier turns examples back",
        sign="verifier",
        weight=_refusals,
        observed=lambda s: (
            f"The harness's verifier failed {s.own_refusals} of {s.verifier_replies} examples before they "
            "were evaluated."
        ),
        readings=(
            "Attempts are spent on the verifier's demands rather than on difficulty.",
            (
                "Its checks are strict about counts and form, and examples that might have passed never "
                "get a round."
            ),
        ),
        remedies=(
            "Relax the verifier, or skip it for later attempts.",
            "Let the verifier check fewer things, and only those that matter for acceptance.",
        ),
    ),
    Cause(
        name="repeat",
        title="Later rounds repeat earlier questions",
        sign="repeat",
        weight=_repeats,
        observed=lambda s: (
            f"{s.repeated} of {s.questions} questions reword an earlier one of the same paper."
        ),
        readings=(
            "The feedback on failures does not lead the challenger to another angle; it rewords.",
            "What failed once is asked again: the failures are listed but do not steer.",
        ),
        remedies=(
            "Make the feedback demand a different part of the paper after each failure.",
            "Show fewer but clearer failures, and refuse questions close to earlier ones.",
        ),
    ),
    Cause(
        name="rounds",
        title="Rounds run out",
        sign="rounds",
        weight=lambda s: 0.3 * s.share(s.ran_out, s.trajectories),
        observed=lambda s: (
            f"{s.ran_out} of {s.trajectories} trajectories used every round without acceptance."
        ),
        readings=(
            "The budget of attempts ends before a fitting question is found.",
            "Each attempt is an independent try; there are too few of them or they are used badly.",
        ),
        remedies=(
            (
                "Use the rounds better: draft several candidates per round and send the best, or allow "
                "more rounds."
            ),
            "Spend attempts only on examples that look promising.",
        ),
    ),
    Cause(
        name="crash",
        title="The harness fails before it is measured",
        sign="crash",
        weight=lambda s: 1.5 * s.share(s.crashed, s.trajectories),
        observed=lambda s: f"{s.crashed} of {s.trajectories} papers ended in a crash or at a limit.",
        readings=("Nothing about the questions matters on these papers: the code stops first.",),
        remedies=("Guard the code against unexpected replies, and log what was received.",),
    ),
    Cause(
        name="hard",
        title="Some questions leave the weak solver with nothing",
        sign="too_hard",
        weight=lambda s: 0.9 * s.share(s.categories["too_hard"], s.failed_rounds),
        observed=lambda s: (
            f"{s.categories['too_hard']} of {s.failed_rounds} failed rounds were too hard: a weak "
            "answer scored 0."
        ),
        readings=(
            "With few criteria or a bare context, one unlucky answer meets none of them.",
            "The question gives the weak solver no foothold at all.",
        ),
        remedies=(
            "Add a few criteria that a sensible answer meets, or a little more background in the context.",
            "Ask for several aspects, so that partial credit is possible.",
        ),
    ),
    Cause(
        name="quality",
        title="The final verification fails accepted scores",
        sign="quality",
        weight=lambda s: 0.9 * s.share(s.categories["quality"], s.failed_rounds),
        observed=lambda s: (
            f"{s.categories['quality']} of {s.failed_rounds} failed rounds fell at the final verifier."
        ),
        readings=(
            "The scores were right, the example was not: context, question and rubric do not hang together.",
        ),
        remedies=("Have the harness's verifier check for the same faults beforehand.",),
    ),
)


HUNCHES = (
    (
        "The tone of the instructions",
        (
            "The challenger is addressed curtly. A persona, some courtesy and a formal register might "
            "bring better work."
        ),
    ),
    (
        "Too little context",
        (
            "The contexts are short. A longer, richer context with definitions and the title may make "
            "for better questions."
        ),
    ),
    ("The temperature", "Variety between drafts looks off; the sampling temperature may be set wrongly."),
    (
        "The length of the paper",
        "The challenger is handed the whole paper and may lose itself; a shorter excerpt could focus it.",
    ),
    (
        "No visible reasoning",
        "The challenger writes at once. Thinking step by step, with a scratchpad and examples, may help.",
    ),
    (
        "Questions asked at the wrong level",
        "Simpler, shorter questions, about definitions or with yes or no answers, would be easier to judge.",
    ),
    (
        "The size of the rubric",
        (
            "The number of criteria may be wrong: fewer, simpler ones, or more of them with harsher "
            "penalties, could separate."
        ),
    ),
    (
        "Hygiene of the code",
        (
            "The code is hard to follow: no logging, repeated reads, unclear names. A clean-up would "
            "make failures visible."
        ),
    ),
    (
        "What the feedback holds",
        "The list of failures grows and may confuse; shorten, reorder or drop it.",
    ),
    (
        "Strictness of verification",
        "The verifier may be too lenient or too strict; its role in the loop deserves a change.",
    ),
)
"""(title, suspicion): each could be said of any harness."""
