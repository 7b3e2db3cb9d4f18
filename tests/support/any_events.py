"""Strategies for any record and event that the annotations allow: deep records, odd texts, large numbers."""

from hypothesis import strategies as st

from studbook.populations.events import (
    KINDS,
    ChampionChosen,
    DiagnosisMade,
    EvaluationDone,
    Event,
    RankedHarness,
    RunStarted,
)
from studbook.populations.records import (
    Confirmation,
    Decision,
    Evaluation,
    Mutant,
    PaperResult,
    RoundResult,
)
from studbook.rate import Rate

HARNESSES = st.just("seed") | st.integers(0, 10**9 - 1).map(lambda number: f"m{number:04d}")
VISIBLE = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
PAPERS = st.text(VISIBLE, min_size=1, max_size=200)
HASHES = st.text("0123456789abcdef", max_size=64)
SCORES = st.none() | st.fractions(min_value=0).map(str)
RATES = st.integers(0, 10**6).flatmap(lambda n: st.builds(Rate, st.integers(0, n), st.just(n)))
KNOBS = st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False))

SHAPES: dict[type, dict[str, st.SearchStrategy[object]]] = {
    RoundResult: {"weak_average": SCORES, "strong_average": SCORES},
    Confirmation: {"weak_average": SCORES, "strong_average": SCORES},
    PaperResult: {"key": HASHES, "paper_id": PAPERS, "trajectory_hash": HASHES},
    Evaluation: {"harness_id": HARNESSES, "tree_hash": HASHES, "evaluator_hash": HASHES},
    Mutant: {
        "harness_id": HARNESSES,
        "parent_id": st.none() | HARNESSES,
        "tree_hash": HASHES,
        "commit": HASHES,
        "knobs": KNOBS,
    },
    Decision: {
        "parent_id": HARNESSES,
        "mutant_id": st.none() | HARNESSES,
        "parent_rate": RATES,
        "mutant_rate": RATES,
    },
    RankedHarness: {"harness_id": HARNESSES},
    ChampionChosen: {"harness_id": HARNESSES},
    DiagnosisMade: {"parent_id": HARNESSES},
    RunStarted: {
        "spec_hash": HASHES,
        "evaluator_hash": HASHES,
        "seed_tree_hash": HASHES,
        "splits": st.dictionaries(st.text(), st.lists(PAPERS).map(tuple)),
        "near_duplicates": st.lists(st.lists(PAPERS).map(tuple)).map(tuple),
    },
}
for _kind, _fields in SHAPES.items():
    st.register_type_strategy(_kind, st.builds(_kind, **_fields))

EVALUATIONS = st.from_type(EvaluationDone)
EVENTS: st.SearchStrategy[Event] = st.one_of(*(st.from_type(kind) for kind in KINDS.values()))
