from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.errors import ManifestError
from studbook.harnesses.tree import Knob, read_manifest

TEXT = """version: 1
name: small
description: A small one.
entry: agent.py:main
roles: [challenger, verifier]
editable: ["*.py", "prompts/*.md"]
knobs:
  tries: {type: int, low: 1, high: 8, value: 3}
  warmth: {type: float, low: 0, high: 1.5, value: 0.7}
"""


def read(text=TEXT, **files):
    sources = {"agent.py": b"def main(box):\n    pass\n", **files}
    return read_manifest({"harness.yaml": text.encode(), **sources})


def test_a_manifest_is_read_whole():
    manifest = read()
    assert (manifest.name, manifest.entry, manifest.description) == ("small", "agent.py:main", "A small one.")
    assert manifest.roles == ("challenger", "verifier")
    assert manifest.editable == ("*.py", "prompts/*.md")
    assert manifest.knobs == (
        Knob(name="tries", low=1, high=8, value=3, is_integer=True),
        Knob(name="warmth", low=0, high=1.5, value=0.7, is_integer=False),
    )


def test_integer_knobs_are_integers_to_the_harness():
    values = read().knob_values
    assert values == {"tries": 3, "warmth": 0.7}
    assert isinstance(values["tries"], int)


def test_knobs_and_description_may_be_left_out():
    short = "version: 1\nname: x\nentry: agent.py:main\nroles: [challenger]\neditable: ['*.py']\n"
    assert read(short).knobs == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("entry:", "entree:", "harness.yaml: entree: unknown key. Did you mean `entry`?"),
        ("low: 1,", "lwo: 1,", "harness.yaml: knobs.tries.lwo: unknown key. Did you mean `low`?"),
        ("name: small", "zzzzzz: small", "harness.yaml: zzzzzz: unknown key. Known keys: version, name,"),
        ("name: small\n", "", "harness.yaml: name: this key is missing"),
        ("version: 1", "version: 2", "harness.yaml: version: Input should be 1 (expected 1)."),
        ("name: small", "name: Small One", "harness.yaml: name: String should match"),
        ("[challenger, verifier]", "[judge]", "harness.yaml: roles.0: Input should be 'challenger'"),
        ("[challenger, verifier]", "[]", "harness.yaml: roles: List should have at least 1 item"),
        ('"*.py"', '"/etc/*"', "harness.yaml: editable.0: String should match"),
        ('"*.py"', '"../*.py"', "harness.yaml: editable: `../*.py` must stay inside the folder."),
        ("agent.py:main", "agent.py", "harness.yaml: entry: String should match"),
        ("agent.py:main", "agnet.py:main", "there is no file `agnet.py`. Did you mean `agent.py:main`?"),
        ("agent.py:main", "agent.py:mian", "`agent.py` defines no `mian`. Did you mean `main`?"),
        ("value: 3", "value: 9", "harness.yaml: knobs.tries.value: 9 is outside 1 to 8."),
        ("value: 3", "value: 2.5", "harness.yaml: knobs.tries.value: 2.5 is not an integer"),
        ("value: 3", "value: .nan", "harness.yaml: knobs.tries.value: Input should be a finite number"),
        ("value: 3", 'value: "3"', "harness.yaml: knobs.tries.value: Input should be a valid number"),
        ("low: 0, high: 1.5", "low: 2, high: 1.5", "harness.yaml: knobs.warmth.low: 2 is over high: 1.5."),
        ("  tries:", "  Tries!:", "harness.yaml: knobs.Tries!: String should match"),
        ("name: small", "name: small\nname: other", "harness.yaml, line 3: key `name` is given twice"),
        ("name: small", "name: &a small", None),
        ("description: A small one.", "description: *a", "harness.yaml, line 3: aliases are not allowed"),
        ("description: A small one.", "{[a]: b}: c", "harness.yaml, line 3: found unhashable key"),
        ("A small one.", "[" * 65 + "]" * 65, "harness.yaml, line 3: nested deeper than 64"),
        ("version: 1", "version: [1", "harness.yaml, line"),
        ("version: 1", "!!python/object:os.system version: 1", "harness.yaml, line 1"),
    ],
)
def test_errors_name_file_and_key_and_help(old, new, message):
    assert old in TEXT
    if message is None:
        assert read(TEXT.replace(old, new)).name == "small"
        return
    with pytest.raises(ManifestError) as caught:
        read(TEXT.replace(old, new))
    assert message in str(caught.value)


def test_a_folder_without_manifest_is_told_so():
    with pytest.raises(ManifestError, match=r"harness\.yaml is missing"):
        read_manifest({"agent.py": b""})


@pytest.mark.parametrize(
    "data", [b"\xff\xfe", b"- a\n- b", b"", b"1: 2", b"\x00", b"[" * 20_000, b"a" * 70_000]
)
def test_a_manifest_that_is_something_else_is_an_error_and_not_a_crash(data):
    with pytest.raises(ManifestError, match=r"harness\.yaml"):
        read_manifest({"harness.yaml": data})


@given(st.text(max_size=200))
def test_no_text_is_ever_another_exception(text):
    with suppress(ManifestError):
        read(text.encode("utf-8", "replace").decode())


@pytest.mark.parametrize(
    ("path", "editable"),
    [
        ("agent.py", True),
        ("prompts/write.md", True),
        ("prompts/deep/write.md", False),
        ("lib/agent.py", False),
        ("prompts/write.txt", False),
        ("harness.yaml", False),
    ],
)
def test_globs_say_what_may_be_changed(path, editable):
    assert read().is_editable(path) is editable


def test_two_stars_span_folders_and_the_manifest_stays_closed():
    manifest = read(TEXT.replace('["*.py", "prompts/*.md"]', '["**"]'))
    assert manifest.is_editable("a/b/c.py")
    assert not manifest.is_editable("harness.yaml")
