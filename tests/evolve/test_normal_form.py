import pytest
from hypothesis import given
from hypothesis import strategies as st

from studbook.evolve.gates import normal_hash
from studbook.harnesses.tree import HarnessTree

PYTHON = 'def main(box):\n    """Say."""\n    return [1, 2]\n'
YAML = "version: 1\nname: small\nknobs:\n  tries: {type: int, low: 1}\n"


def hash_of(path, text):
    return normal_hash(HarnessTree.of({path: text.encode()}))


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("a.py", PYTHON, '# new\ndef main( box ):\n\n  """Say."""\n  return [1,\n     2]   # two\n'),
        ("a.py", PYTHON, PYTHON.rstrip()),
        ("a.py", PYTHON, PYTHON.replace("\n", "\r\n")),
        ("p.md", "Write.\nWell.", "Write.  \r\nWell.\n\n"),
        ("harness.yaml", YAML, "# x\nname: small\nversion: 1\nknobs: {tries: {low: 1, type: int}}\n"),
        ("broken.py", "def (:\n  x", "def (:  \n  x\n"),
    ],
)
def test_layout_and_comments_do_not_make_a_new_harness(path, one, other):
    assert hash_of(path, one) == hash_of(path, other)


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("a.py", PYTHON, PYTHON.replace("2", "3")),
        ("a.py", PYTHON, PYTHON.replace("Say.", "Say!")),
        ("a.py", "if a:\n    b()\n    c()\n", "if a:\n    b()\nc()\n"),
        ("p.md", "Write.\nWell.", "Write. Well."),
        ("p.md", "Write.", "Write!"),
        ("harness.yaml", YAML, YAML.replace("low: 1", "low: 2")),
        ("data.bin", "a ", "a"),
        ("broken.py", "def (:\n  x", "def (:\n  y"),
    ],
)
def test_what_may_matter_makes_a_new_harness(path, one, other):
    assert hash_of(path, one) != hash_of(path, other)


def test_a_file_under_another_name_is_another_harness():
    assert hash_of("a.py", PYTHON) != hash_of("b.py", PYTHON)


@given(st.sampled_from(["a.py", "p.md", "harness.yaml", "x.bin"]), st.binary(max_size=80))
def test_any_bytes_have_a_normal_form(path, data):
    assert len(normal_hash(HarnessTree.of({path: data}))) == 64
