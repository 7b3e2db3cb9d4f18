"""The repertoire: how many ideas, and what each does to real files."""

import ast
import random
import sys

import pytest
from support.meta import EXAMPLE, SEED, home_made_files, seed_files, visit

from studbook.harnesses import harness_kit
from studbook.testbed.ideas.accidents import broken, ineffective
from studbook.testbed.ideas.repertoire import Idea, repertoire
from studbook.testbed.models.words import content_words

SEED_START = "agent.py:main"
REPERTOIRE = repertoire()
CODE = [idea for idea in REPERTOIRE if idea.touches_code]
PROMPTS = [idea for idea in REPERTOIRE if not idea.touches_code]
NOT_FOR_THE_SEED = {"no_ban_on_explaining"}
"""Ideas about something that the seed does not have."""


def edited(idea: Idea, files: dict[str, str], luck: int = 1) -> dict[str, str]:
    return idea.edit(files, random.Random(luck))


def named(name: str) -> Idea:
    return next(idea for idea in REPERTOIRE if idea.name == name)


def after(name: str, *, luck: int = 1) -> dict[str, str]:
    files = seed_files()
    return {**files, **edited(named(name), files, luck)}


def test_there_are_more_than_forty_ideas_and_all_are_distinct():
    assert len(REPERTOIRE) >= 100
    assert len({idea.name for idea in REPERTOIRE}) == len(REPERTOIRE)
    hypotheses = [hypothesis for idea in REPERTOIRE for hypothesis in idea.hypotheses]
    assert len(set(hypotheses)) == len(hypotheses)
    assert len(CODE) >= 40
    assert len(PROMPTS) >= 40


def test_no_two_ideas_change_the_seed_in_the_same_way():
    files = seed_files()
    changes = [tuple(sorted(edited(idea, files).items())) for idea in REPERTOIRE]
    kept = [change for change in changes if change]
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize("idea", REPERTOIRE, ids=lambda idea: idea.name)
def test_hypotheses_are_single_sentences_of_prose_and_cues_hold_words(idea: Idea):
    assert idea.hypotheses
    assert idea.cues
    assert all(text.endswith(".") and "\n" not in text and "_" not in text for text in idea.hypotheses)
    assert all(content_words(cue) for cue in idea.cues)


@pytest.mark.parametrize("idea", REPERTOIRE, ids=lambda idea: idea.name)
def test_every_idea_finds_its_place_in_the_seed(idea: Idea):
    files = seed_files()
    changes = edited(idea, files)
    assert bool(changes) is (idea.name not in NOT_FOR_THE_SEED)
    assert any(path.endswith(".py") for path in changes) is (idea.touches_code and bool(changes))


@pytest.mark.parametrize("idea", CODE, ids=lambda idea: idea.name)
def test_a_code_idea_leaves_a_seed_that_parses_and_runs_to_its_end(idea: Idea):
    files = {**seed_files(), **edited(idea, seed_files())}
    for path, text in files.items():
        if path.endswith(".py"):
            ast.parse(text, path)
    assert visit(files, SEED_START).examples or idea.name == "short_replies"


@pytest.mark.parametrize("idea", CODE, ids=lambda idea: idea.name)
def test_a_code_idea_leaves_a_home_made_harness_that_parses_and_runs(idea: Idea):
    files = {**home_made_files(), **edited(idea, home_made_files())}
    assert visit(files, "run.py:start").examples


@pytest.mark.parametrize("idea", PROMPTS, ids=lambda idea: idea.name)
def test_a_prompt_idea_changes_only_prompts_that_the_seed_sends_to_a_model(idea: Idea):
    read = visit(seed_files(), SEED_START).read
    for luck in range(6):
        assert set(edited(idea, seed_files(), luck)) <= read


@pytest.mark.parametrize("idea", REPERTOIRE, ids=lambda idea: idea.name)
def test_an_idea_that_is_already_there_is_not_put_there_again(idea: Idea):
    once = {**seed_files(), **edited(idea, seed_files())}
    twice = edited(idea, once, 2)
    repeatable = {"document_functions", "rename_locals", "paper_on_one_line"}
    if idea.name not in repeatable:
        assert twice == {}


def test_ideas_can_be_piled_up_on_one_another():
    for start in range(8):
        luck = random.Random(start)
        files = seed_files()
        for idea in luck.sample(CODE, 12):
            if idea.name not in ("no_feedback", "skip_verifier", "short_replies"):
                files |= idea.edit(files, luck)
        visit(files, SEED_START)


def test_a_rule_is_not_put_into_a_definition_or_under_a_ban():
    definitions = "Read it.\n\nAn example consists of:\n\n- `context`: background.\n- `question`: one.\n"
    bans = "Do not ask:\n\n- what the title is.\n- who wrote it.\n"
    files = {"a.py": 'read("challenger.md")', "challenger.md": f"{definitions}\n{bans}"}
    for luck in range(10):
        text = edited(named("longer_context"), files, luck)["challenger.md"]
        assert "\n- Write a long" not in text
        assert "\n- Make the context" not in text


def test_numbered_lists_are_continued():
    files = {
        "a.py": 'read("verifier.md")',
        "verifier.md": "Check.\n\n1. It is one question.\n2. It is clear.\n",
    }
    texts = {edited(named("verifier_explains"), files, luck)["verifier.md"] for luck in range(10)}
    assert any("3. Explain your verdict" in text for text in texts)


def test_a_prompt_nobody_reads_is_left_alone():
    files = home_made_files()
    touched = {path for idea in PROMPTS for path in edited(idea, files)}
    assert touched == {"texts/ask.txt"}


def test_taking_penalties_out_of_the_rubric_changes_guide_and_verifier():
    files = after("rewarding_rubric")
    assert "3 to 5 negative" not in files["prompts/rubric_guide.md"]
    assert "from 1 to 7" in files["prompts/rubric_guide.md"]
    assert "at least 3 negative" not in files["prompts/verifier.md"]


def test_whole_weights_reach_the_evaluator_as_integers():
    weights = [item["weight"] for item in visit(after("whole_weights"), SEED_START).examples[0]["rubric"]]
    assert weights == [-3, -2, -1, 0, 1, 2, 3, 4]


def test_negative_criteria_do_not_reach_the_evaluator_once_filtered():
    rubric = visit(after("positive_only_in_code"), SEED_START).examples[0]["rubric"]
    assert [item["weight"] for item in rubric] == [0, 1, 2, 3, 4]


def test_giveaway_sentences_are_taken_out_of_the_context():
    context = visit(after("strip_leaks"), SEED_START).examples[0]["context"]
    assert context == "Networks are large. Pruning makes them small."
    assert EXAMPLE["context"].endswith("Some channels are idle.")


def test_lenient_reading_accepts_what_strict_reading_refuses(monkeypatch):
    sloppy = (
        'Here: {"context": "c", "question": "q", "reference_answer": "r", "rubric": [{"weight": "+8"},],}'
    )
    namespace: dict[str, object] = {}
    monkeypatch.setitem(sys.modules, "harness_kit", harness_kit)
    exec(after("lenient_json")["drafts.py"], namespace)  # noqa: S102  # our own text, edited by our own idea
    read_draft = namespace["read_draft"]
    assert callable(read_draft)
    assert read_draft(sloppy)["rubric"] == [{"weight": 8}]


def test_fewer_rounds_means_fewer_examples():
    assert len(visit(after("one_round"), SEED_START).examples) == 1
    assert len(visit(after("fewer_rounds"), SEED_START).examples) == 2
    assert len(visit(seed_files(), SEED_START).examples) == 3


def test_without_feedback_the_challenger_is_not_told_what_failed():
    asked = [chat for chat in visit(after("no_feedback"), SEED_START).chats if chat["role"] == "challenger"]
    usual = [chat for chat in visit(seed_files(), SEED_START).chats if chat["role"] == "challenger"]
    assert "What is pruned?" in usual[-1]["messages"][-1]["content"]
    assert "What is pruned?" not in asked[-1]["messages"][-1]["content"]


def test_without_verification_the_verifier_is_not_asked():
    assert {chat["role"] for chat in visit(after("skip_verifier"), SEED_START).chats} == {"challenger"}


def test_the_opening_of_the_paper_is_all_that_is_shown_after_cutting():
    asked = visit(after("opening_only"), SEED_START).chats[0]["messages"][-1]["content"]
    assert asked.count("Pruning. ") == 4000 // len("Pruning. ")


TRACEBACKS = (SyntaxError, NameError, ImportError, ValueError, LookupError, AssertionError, AttributeError)


def test_slips_of_all_kinds_break_the_harness():
    kinds = set()
    for luck in range(24):
        files = seed_files()
        damaged = broken(files, edited(named("whole_weights"), files), random.Random(luck))
        files |= {path: text for path, text in damaged.items() if text is not None}
        with pytest.raises(TRACEBACKS) as caught:
            visit(files, SEED_START)
        kinds.add(caught.type)
    assert {SyntaxError, NameError} <= kinds
    assert kinds & {ImportError, ModuleNotFoundError}
    assert len(kinds) >= 4


def test_a_slip_with_a_prompt_leaves_the_harness_without_it():
    files = seed_files()
    damaged = broken(files, edited(named("formal_tone"), files), random.Random(1))
    assert [path for path, text in damaged.items() if text is None]


def test_an_ineffective_edit_changes_bytes_and_nothing_else():
    files = seed_files()
    for luck in range(20):
        changes = ineffective(files, random.Random(luck))
        ((path, text),) = changes.items()
        assert text is not None
        assert text != files[path]
        if path.endswith(".py"):
            assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(files[path]))
        else:
            assert text.split() == files[path].split()


def test_the_seed_is_not_changed_on_disk():
    before = {path: (SEED / path).read_bytes() for path in seed_files()}
    for idea in REPERTOIRE:
        edited(idea, seed_files())
    assert before == {path: (SEED / path).read_bytes() for path in seed_files()}
