import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import ManifestError
from studbook.harnesses.tree import HarnessTree, set_knobs

TEXT = """# a comment
version: 1
name: small   # keep
entry: agent.py:main
roles: [challenger]
editable: ['*.py']
knobs:
  tries: {type: int, low: 1, high: 8, value: 3}  # how often
  warmth:
    value: 0.7
    type: float
    low: 0
    high: 1.5
"""
TREE = HarnessTree.of({"harness.yaml": TEXT.encode(), "agent.py": b"def main(box): pass\n"})


def manifest_text(tree):
    return tree.files["harness.yaml"].decode()


def test_only_the_value_changes_in_the_text():
    changed = set_knobs(TREE, {"tries": 5, "warmth": 1.25})
    assert manifest_text(changed) == TEXT.replace("value: 3}", "value: 5}").replace(
        "value: 0.7", "value: 1.25"
    )
    assert changed.manifest.knob_values == {"tries": 5, "warmth": 1.25}
    assert changed.files["agent.py"] == TREE.files["agent.py"]


def test_a_tiny_value_is_spelled_so_that_yaml_reads_a_number():
    assert set_knobs(TREE, {"warmth": 1e-05}).manifest.knob_values["warmth"] == 1e-05


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trys": 5}, r"there is no knob `trys`. Knobs: tries, warmth"),
        ({"tries": 9}, r"knobs\.tries\.value: 9 is outside 1 to 8"),
        ({"tries": 2.5}, r"knobs\.tries\.value: 2\.5 is not an integer"),
        ({"warmth": float("nan")}, r"knobs\.warmth\.value"),
    ],
)
def test_what_the_manifest_forbids_cannot_be_set(values, message):
    with pytest.raises(ManifestError, match=message):
        set_knobs(TREE, values)


@given(st.integers(1, 8), st.floats(0, 1.5))
def test_every_allowed_value_is_read_back_exactly(tries, warmth):
    assert set_knobs(TREE, {"tries": tries, "warmth": warmth}).manifest.knob_values == {
        "tries": tries,
        "warmth": warmth,
    }


def test_setting_what_is_set_already_changes_nothing():
    assert set_knobs(TREE, {"tries": 3, "warmth": 0.7}).tree_hash == TREE.tree_hash


def test_a_manifest_with_a_byte_order_mark_and_other_line_ends_keeps_them():
    text = b"\xef\xbb\xbf" + TREE.files["harness.yaml"].replace(b"\n", b"\r\n")
    changed = set_knobs(TREE.replace({"harness.yaml": text}), {"tries": 5})
    assert changed.manifest.knob_values["tries"] == 5
    assert changed.files["harness.yaml"].startswith(b"\xef\xbb\xbf")
    assert changed.files["harness.yaml"].count(b"\r\n") == text.count(b"\n") == text.count(b"\r\n")
