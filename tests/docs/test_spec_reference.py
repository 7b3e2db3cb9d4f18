"""docs/spec.md is what the spec's models say, whole."""

from pathlib import Path

from studbook.experiments.spec.model import Spec
from studbook.experiments.spec.reference import MEANINGS, keys_of, reference_text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "spec.md"


def test_the_page_is_the_one_that_is_written():
    written = PAGE.read_text(encoding="utf-8")
    assert written == reference_text(), "run: python -m studbook.experiments.spec.reference > docs/spec.md"


def test_every_key_has_a_meaning_and_every_meaning_a_key():
    keys = [key for key, _, _ in keys_of(Spec)]
    assert len(keys) == len(set(keys)) >= 60
    assert set(keys) == set(MEANINGS)
