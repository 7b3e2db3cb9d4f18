"""Every row of the table of quirks: a small evaluation, or run, against an endpoint that has it."""

import json

import pytest
from support.quirk_rig import FLAGGED_PAPER, KEY, Observed, observe, run_with
from support.repository import REPOSITORY

from studbook.errors import StudbookError, UsageError
from studbook.testbed.server.quirk_table import page
from studbook.testbed.server.quirks import Outcome, Quirk, find_quirk, quirks, table

Run = list[tuple[str, str, str]]
JUDGED = {"accepted", "not_accepted"}
EVALUATED = [quirk for quirk in quirks() if quirk.scope == "evaluate"]
RUN = [quirk for quirk in quirks() if quirk.scope == "run"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """Without any quirk."""
    seen = observe(None, tmp_path_factory.mktemp("plain"))
    assert {verdict for verdict, *_ in seen.outcomes} == JUDGED, "the table needs papers of both kinds"
    assert seen.told.strip() == ""
    return seen


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_with(None, tmp_path_factory.mktemp("plain") / "run")[0]


@pytest.mark.slow
@pytest.mark.parametrize("quirk", EVALUATED, ids=lambda quirk: quirk.name)
def test_an_evaluation_comes_to_what_the_table_says(quirk: Quirk, plain: Observed, tmp_path) -> None:
    seen = observe(quirk, tmp_path)
    assert_outcome(quirk, seen, plain)
    assert [words for words in quirk.says if words not in seen.told] == [], seen.told[:2_000]
    assert KEY not in seen.told
    for name, least in quirk.counts.items():
        assert getattr(seen.usage, name) >= least
    assert seen.is_met, "the quirk was never met"


def assert_outcome(quirk: Quirk, seen: Observed, plain: Observed) -> None:
    if quirk.outcome is Outcome.STOPPED:
        assert seen.error is not None and not seen.results
        assert len(str(seen.error).splitlines()) == 3, "what, where, what to do next"
        return
    assert seen.error is None, seen.error
    if quirk.outcome is Outcome.SAME:
        assert seen.outcomes == plain.outcomes
    elif quirk.outcome is Outcome.SAMPLED:
        assert {verdict for verdict, *_ in seen.outcomes} <= JUDGED
    else:
        others = [each for number, each in enumerate(seen.outcomes) if number != FLAGGED_PAPER]
        assert others == [each for number, each in enumerate(plain.outcomes) if number != FLAGGED_PAPER]
        assert seen.outcomes[FLAGGED_PAPER][0] not in JUDGED


@pytest.mark.slow
@pytest.mark.parametrize("quirk", RUN, ids=lambda quirk: quirk.name)
def test_a_run_comes_to_what_the_table_says(quirk: Quirk, plain_run: Run, tmp_path) -> None:
    if quirk.outcome is Outcome.STOPPED:
        with pytest.raises(StudbookError) as stopped:
            run_with(quirk, tmp_path / "quirk")
        assert [words for words in quirk.says if words not in str(stopped.value)] == []
        return
    seen, told = run_with(quirk, tmp_path / "quirk")
    assert quirk.outcome is Outcome.SAME
    assert seen == plain_run
    assert len(seen) == 3, "the seed and two mutants"
    assert [words for words in quirk.says if words not in told] == []


def test_the_table_is_large_and_sound() -> None:
    names = [quirk.name for quirk in quirks()]
    assert len(names) == len(set(names)) >= 40
    assert {quirk.group for quirk in quirks()} <= set(table().groups)
    for quirk in quirks():
        assert quirk.rules
        assert quirk.outcome is not Outcome.STOPPED or quirk.says, f"{quirk.name}: with which words?"


def test_the_page_of_quirks_is_current() -> None:
    told = "python -m studbook.testbed.server.quirk_table > docs/quirks.md"
    assert (REPOSITORY / "docs" / "quirks.md").read_text(encoding="utf-8") == page(), told


def test_an_unknown_quirk_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean think-closed"):
        find_quirk("think-close")


def test_rules_are_data_that_json_can_hold() -> None:
    for quirk in quirks():
        for rule in quirk.rules:
            json.dumps([rule.refuse.json if rule.refuse else None, *(edit.to for edit in rule.reply)])
