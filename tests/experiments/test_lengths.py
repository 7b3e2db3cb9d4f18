"""Papers that the models cannot read whole are known before the run."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.studbook_cli import studbook

from studbook.errors import CorpusError, SpecError
from studbook.evaluate.papers import Corpus, make_paper
from studbook.experiments.run.corpus import find_recorded_papers, load_papers
from studbook.experiments.run.lengths import (
    estimate_tokens,
    fit_corpus,
    fit_papers,
    reading_rooms,
    shorten_paper,
    unknown_contexts,
    with_contexts,
    with_longest,
)
from studbook.experiments.spec.loading import load_spec
from studbook.testbed.papers.synthesis import synthetic_papers

HARNESS = ("challenger", "verifier")


def spec_of(tmp_path, text=""):
    path = tmp_path / "trial.yaml"
    path.write_text("version: 1\n" + text, encoding="utf-8")
    return load_spec(path)


@pytest.mark.parametrize(
    ("text", "tokens"), [("abcabc", 2), ("abcd", 2), ("12 34", 5), ("深層学習", 4), ("", 0)]
)
def test_a_digit_is_a_token_and_three_other_bytes_are_one(text, tokens):
    assert estimate_tokens(text) == tokens


def test_each_reading_role_keeps_room_for_instructions_and_answer(tmp_path):
    spec = spec_of(
        tmp_path,
        "models: {default: {context_tokens: 32768, max_tokens: 2000},"
        " roles: {strong: {context_tokens: 16384, max_tokens: 9000}, weak: {context_tokens: 99}}}",
    )
    rooms = reading_rooms(spec, HARNESS)
    assert [(room.role, room.tokens) for room in rooms] == [
        ("strong", 16384 - 3000 - 16384 // 4),
        ("challenger", 32768 - 3000 - 2000),
        ("final_verifier", 32768 - 3000 - 2000),
    ]
    assert with_longest(spec, HARNESS).corpus.longest_tokens == rooms[0].tokens


def test_a_strong_solver_without_the_paper_and_a_harness_without_challenger_read_none(tmp_path):
    text = "models: {default: {context_tokens: 32768}}\nevaluator: {strong_sees_paper: false}\n"
    assert [room.role for room in reading_rooms(spec_of(tmp_path, text), ())] == ["final_verifier"]


def test_a_context_that_the_spec_names_is_not_replaced_by_the_endpoints(tmp_path):
    spec = spec_of(tmp_path, "models: {roles: {strong: {context_tokens: 16384}}}")
    told = with_contexts(spec, {"strong": 4096, "challenger": 8192, "judge": None}).models.roles
    assert (told["strong"].context_tokens, told["challenger"].context_tokens) == (16384, 8192)
    assert told["judge"].context_tokens is None


def test_without_a_known_context_there_is_no_limit(tmp_path):
    assert with_longest(spec_of(tmp_path), HARNESS).corpus.longest_tokens is None


def test_the_smaller_of_the_users_limit_and_the_models_counts(tmp_path):
    for given_tokens, expected in ((5000, 5000), (99_999, 32768 - 3000 - 4096)):
        text = f"corpus: {{longest_tokens: {given_tokens}}}\nmodels: {{default: {{context_tokens: 32768}}}}\n"
        assert with_longest(spec_of(tmp_path, text), HARNESS).corpus.longest_tokens == expected


def test_a_context_without_room_for_any_paper_is_a_usage_error(tmp_path):
    with pytest.raises(SpecError, match="no paper fits testbed"):
        with_longest(spec_of(tmp_path, "models: {default: {context_tokens: 2048}}"), HARNESS)


PAPERS = synthetic_papers(9, seed=1)
LIMIT = sorted(estimate_tokens(paper.text) for paper in PAPERS)[5]


def test_long_papers_are_left_out_with_their_names_and_sizes():
    fitted = fit_papers(PAPERS, LIMIT, shorten=False)
    assert len(fitted.papers) == 6
    assert {each.source for each in fitted.long} == {p.source for p in PAPERS if p not in fitted.papers}
    assert all(each.tokens > LIMIT for each in fitted.long)


@given(st.integers(700, 6000), st.integers(0, 8))
def test_a_shortened_paper_fits_is_a_beginning_and_another_paper(longest, number):
    paper = PAPERS[number]
    short = shorten_paper(paper, longest)
    assert estimate_tokens(short.text) <= longest
    assert paper.text.startswith(short.text)
    assert (short.title, short.source) == (paper.title, paper.source)
    assert (short.paper_id == paper.paper_id) == (short.text == paper.text)
    assert shorten_paper(paper, longest) == short


def test_a_paper_is_shortened_at_the_end_of_a_paragraph():
    paper = make_paper("# T\n\n" + "\n\n".join(["One two three four five. " * 20] * 30), "long.md")
    short = shorten_paper(paper, 2000)
    assert paper.text[len(short.text) :].startswith("\n\n")
    assert estimate_tokens(short.text) > 1700


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "papers").mkdir()
    for paper in PAPERS:
        (tmp_path / "papers" / paper.source).write_text(paper.text, encoding="utf-8")
    return tmp_path / "papers"


def corpus_spec(tmp_path, folder, **keys):
    given_keys = {"path": str(folder), "longest_tokens": LIMIT, "splits": SIZES, **keys}
    return spec_of(tmp_path, yaml.safe_dump({"corpus": given_keys})).corpus


SIZES = {"train": 2, "validation": 2, "test": 2}


def test_the_splits_are_drawn_from_what_fits_and_found_again(tmp_path, folder):
    corpus = corpus_spec(tmp_path, folder)
    loaded = load_papers(corpus, 1)
    ids = loaded.splits.paper_ids()
    assert {each for split in ids.values() for each in split} == {
        paper.paper_id for paper in fit_papers(PAPERS, LIMIT, shorten=False).papers
    }
    assert len(loaded.long) == 3
    assert loaded.notes[0].startswith(f"3 papers left out: the models have room for {LIMIT:,} tokens")
    assert find_recorded_papers(corpus, ids, "trial").splits == loaded.splits


def test_too_few_papers_that_fit_are_told_with_those_that_do_not(tmp_path, folder):
    corpus = corpus_spec(tmp_path, folder, splits={"train": 3, "validation": 2, "test": 2})
    with pytest.raises(CorpusError, match=r"the corpus has 6.\n.*splits smaller.*\n  3 papers left out"):
        load_papers(corpus, 1)


def test_shortened_papers_are_part_of_the_splits(tmp_path, folder):
    corpus = corpus_spec(
        tmp_path, folder, too_long="shorten", splits={"train": 3, "validation": 3, "test": 3}
    )
    loaded = load_papers(corpus, 1)
    texts = [paper.text for name in SIZES for paper in getattr(loaded.splits, name)]
    assert len(texts) == 9
    assert max(map(estimate_tokens, texts)) <= LIMIT
    assert loaded.notes[0].startswith("3 papers shortened")
    assert find_recorded_papers(corpus, loaded.splits.paper_ids(), "trial").splits == loaded.splits


def test_refused_papers_start_no_run(tmp_path, folder):
    with pytest.raises(CorpusError, match=r"3 papers too long.*\n.*too_long=exclude"):
        load_papers(corpus_spec(tmp_path, folder, too_long="refuse"), 1)


def test_papers_of_a_run_are_found_among_others(tmp_path, folder):
    corpus = corpus_spec(tmp_path, folder, longest_tokens=None)
    loaded = load_papers(corpus, 1)
    (folder / "new.md").write_text(synthetic_papers(1, seed=99)[0].text, encoding="utf-8")
    found = find_recorded_papers(corpus, loaded.splits.paper_ids(), "trial")
    assert found.splits.paper_ids() == loaded.splits.paper_ids()


def test_a_corpus_of_which_nothing_fits_is_refused(tmp_path):
    corpus = Corpus(papers=PAPERS, skipped=())
    spec = spec_of(tmp_path, "corpus: {longest_tokens: 700}\n").corpus
    with pytest.raises(CorpusError, match="no paper is left: 9 papers left out"):
        fit_corpus(corpus, spec)
    kept, note = fit_corpus(corpus, spec.model_copy(update={"longest_tokens": None}))
    assert (kept, note) == (corpus, "")
    with pytest.raises(CorpusError, match="there are no papers"):
        fit_corpus(Corpus(papers=(), skipped=()), spec)


def test_a_model_whose_context_is_unknown_is_named_unless_it_is_a_program(tmp_path):
    text = "models: {roles: {strong: {endpoint: openai, model: m}, judge: {endpoint: openai, model: m}}}\n"
    (note,) = unknown_contexts(spec_of(tmp_path, text), HARNESS)
    assert note.startswith("how long a paper strong can read is unknown")
    assert unknown_contexts(spec_of(tmp_path), HARNESS) == ()


def test_evaluate_leaves_out_the_same_papers_as_a_run(tmp_path, folder):
    done = studbook(
        *("evaluate", "agentic_self_instruct", "--papers", "papers", "--limit", "1"),
        *("-s", f"corpus.longest_tokens={LIMIT}", "-s", "sandbox=process", "-s", "evaluator.max_rounds=1"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert f"3 papers left out: the models have room for {LIMIT:,} tokens of a paper" in done.stderr


@pytest.mark.slow
def test_a_dry_run_and_a_run_show_the_papers_that_do_not_fit_and_a_resume_has_the_same(tmp_path, folder):
    text = (
        "version: 1\nname: fits\nsandbox: process\nevaluator: {max_rounds: 3}\nsearch: {iterations: 0}\n"
        "champion: {test_replicates: 1}\n"
        "corpus: {path: papers, splits: {train: 1, validation: 2, test: 1}}\n"
        f"models: {{default: {{context_tokens: {LIMIT + 3000 + 2000}, max_tokens: 2000}}}}\n"
    )
    (tmp_path / "fits.yaml").write_text(text, encoding="utf-8")
    planned = studbook("run", "fits.yaml", "--dry-run", cwd=tmp_path)
    assert f"3 papers left out: the models have room for {LIMIT:,} tokens" in planned.stdout
    done = studbook("run", "fits.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 papers left out" in done.stderr
    resolved = yaml.safe_load((tmp_path / "runs/fits-1/spec.resolved.yaml").read_text())
    assert resolved["corpus"]["longest_tokens"] == LIMIT
    for command in (
        ("resume", "fits-1", "-s", "search.iterations=1"),
        ("replay", "fits-1", "--level", "recorded"),
        ("verify", "fits-1"),
    ):
        again = studbook(*command, cwd=tmp_path)
        assert again.returncode in {0, 3}, again.stderr
