"""Puts the report of a demo into the docs: python -m benchmarks.local_model.publish [conformance.md] [PAGE]

Replaces what stands between two marks in docs/real-models.md. The headings of the report go one level down.
"""

import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "real-models.md"
BEGIN, END = "<!-- report -->", "<!-- end of the report -->"
TITLE = "# Studbook conformance report\n"


def with_report(page: str, report: str) -> str:
    """`page` with the report in it. Raises ValueError unless it has both marks, in order."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} … {END}")
    body = report.removeprefix(TITLE).strip()
    lowered = re.sub(r"^(#+) ", r"\1# ", body, flags=re.MULTILINE)
    return f"{before}{BEGIN}\n\n{lowered}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    report = Path(arguments[0] if arguments else "conformance.md")
    page = Path(arguments[1]) if len(arguments) > 1 else PAGE
    page.write_text(
        with_report(page.read_text(encoding="utf-8"), report.read_text(encoding="utf-8")), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
