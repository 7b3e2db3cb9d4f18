import re

import pytest

from studbook.evaluate.screening import joined, pattern, screening_words

GROUPS = screening_words().groups


def test_what_alternatives_begin_with_is_written_once():
    lines = r"""
\byou(?: are|'re) (?:weak)\b
\byou(?: will be) (?:small)\b
\bhe(?:llo)\b|plain|\bhe(?:y)\b
"""
    assert joined(lines) == (
        r"\byou(?:(?: are|'re) (?:weak)\b|(?: will be) (?:small)\b)|\bhe(?:(?:llo)\b|(?:y)\b)|plain"
    )


@pytest.mark.parametrize(
    ("line", "said", "unsaid"),
    [
        (r"a[|(]b|c", ["a|b", "a(b", "c"], ["ab", "b"]),
        (r"a\|b|\(c", ["a|b", "(c"], ["a", "b", "c"]),
        (r"(?:a|b)c|(?:d)e", ["ac", "bc", "de"], ["ab", "a", "d"]),
    ],
)
def test_bars_in_groups_and_classes_part_nothing(line, said, unsaid):
    pattern = re.compile(joined(line))
    assert all(pattern.fullmatch(text) for text in said)
    assert not any(pattern.fullmatch(text) for text in unsaid)


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_finds_what_its_lines_find_one_by_one(name):
    """Every text that some line of any group was made of, as far as it is plain words."""
    lines = GROUPS[name].strip().splitlines()
    words = re.findall(r"[^\W\d_]{3,}(?: [^\W\d_]+)*", "\n".join(GROUPS.values()))
    for text in words:
        assert bool(pattern(name).search(text)) == any(re.search(line, text) for line in lines), text
