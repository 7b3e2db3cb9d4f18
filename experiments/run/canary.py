"""Before a run, puts planted cases to judge and final verifier; near chance, the run does not start.

The testbed's own programs are not asked: their error rates are known (docs/verifiers.md), and asking them
would add calls to their runs. All other calls go through the run's own client and into its own records,
under the role that answers. So they count in the budget and in `show`, a repetition is free, and what the
model said can be read afterwards. No result of the run depends on them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from studbook.errors import UsageError
from studbook.evaluate.planted.canary import ROLES, Canary, canary_cases
from studbook.experiments.run.bench import Bench, Origin, frozen_evaluator
from studbook.experiments.run.models import is_testbed_role
from studbook.experiments.spec.model import Spec
from studbook.experiments.views.lines import canary_line
from studbook.llm.contracts import Chat
from studbook.populations.records import CanaryScore, CanaryVerdict

TOKENS = {"judge": 1_100, "final_verifier": 1_400}
"""Of one call, prompt and reply, roughly: to say before what will be asked."""

NEXT_STEPS = {
    CanaryVerdict.NEAR_CHANCE: "its replies would say nothing about a harness: use a stronger model",
    CanaryVerdict.UNREADABLE: "it does not keep to the form of a reply: use another model or more max_tokens",
}


def canary_calls(spec: Spec) -> dict[str, int]:
    """Roles that are asked, those at another endpoint than the testbed, and the number of calls."""
    examples, answers = canary_cases()
    numbers = {"judge": len(answers), "final_verifier": len(examples)}
    asked = [role for role, model in spec.models.roles.items() if not is_testbed_role(spec, model)]
    return {role: numbers[role] for role in ROLES if role in asked}


def canary_tokens(spec: Spec) -> int:
    return sum(number * TOKENS[role] for role, number in canary_calls(spec).items())


def measure_canary(spec: Spec, chat: Chat) -> tuple[CanaryScore, ...]:
    """Asks with the run's own prompts, settings and seed; () if no role is to be asked.

    Raises InfrastructureError, BudgetExceeded, and what else the chat raises to stop.
    """
    calls = canary_calls(spec)
    if not calls:
        return ()
    frozen = frozen_evaluator(spec, Origin(sandbox="", roles=()))
    canary = Canary(chat=chat, settings=frozen.settings, prompts=frozen.prompts, run_seed=spec.seed)
    with ThreadPoolExecutor(sum(calls.values()), thread_name_prefix="canary") as pool:
        return canary.ask(calls, pool)


def ask_canary(bench: Bench, tell: Callable[[str], None]) -> tuple[CanaryScore, ...]:
    """Before the first event of a run. Raises UsageError for a role near chance unless it is accepted."""
    if not canary_calls(bench.spec):
        return ()
    tell(canary_plan(bench.spec))
    scores = measure_canary(bench.spec, bench.chat)
    for score in scores:
        tell(canary_line(score))
    if not bench.spec.models.accept_judge:
        refuse_near_chance(scores)
    return scores


def canary_plan(spec: Spec) -> str:
    """One line about what will be asked."""
    calls = canary_calls(spec)
    return (
        f"asking {' and '.join(calls)} about {sum(calls.values())} planted cases "
        f"(about {canary_tokens(spec):,} tokens)"
    )


def refuse_near_chance(scores: Sequence[CanaryScore]) -> None:
    """Raises UsageError naming what was found, unless every role is above chance."""
    failed = [score for score in scores if score.verdict is not CanaryVerdict.ABOVE_CHANCE]
    if not failed:
        return
    told = ", ".join(f"{score.role} is {score.verdict}" for score in failed)
    steps = dict.fromkeys(NEXT_STEPS[score.verdict] for score in failed)
    raise UsageError(
        f"the run was not started: {told} on planted cases with known answers\n"
        f"  {'; '.join(canary_line(score) for score in failed)}\n"
        f"  {'; '.join(steps)}; to start as it is: --accept-judge"
    )
