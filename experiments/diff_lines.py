"""Two harnesses side by side as lines: files, then papers, then the score."""

from collections.abc import Sequence

from rich.text import Text

from experiments.run_lines import change_words, line
from experiments.text import clean_line, count
from populations.diff import HarnessDiff, PaperChange, PaperDiff, ScoreDiff
from populations.file_diff import FileDiff

CHANGES = {
    PaperChange.REGRESSED: ("✗", "red"),
    PaperChange.FIXED: ("✓", "green"),
    PaperChange.STILL_FAILING: ("·", "dim"),
    PaperChange.UNCHANGED: ("=", "dim"),
    PaperChange.NOT_COMPARABLE: ("?", "dim"),
}


def diff_lines(before: str, after: str, files: Sequence[FileDiff], scores: HarnessDiff | None) -> list[Text]:
    """`scores` None: the two are of different runs, whose papers and luck are not the same."""
    lines = [line((f"{clean_line(before)} → {clean_line(after)}", "bold")), Text()]
    for file in files:
        lines += [*_file_lines(file), Text()]
    if not files:
        lines += [Text("the files are the same"), Text()]
    if scores is None:
        return [
            *lines,
            Text("scores of different runs are not compared: neither papers nor luck are the same"),
        ]
    lines += [line(("Papers (validation)", "bold")), *_paper_lines(scores.papers), Text()]
    return [*lines, line(("Score", "bold")), *_score_lines(scores.score)]


def _file_lines(file: FileDiff) -> list[Text]:
    head = line((f"{clean_line(file.path, 200)} ({file.change})", "bold"))
    if file.is_binary:
        return [head, Text("  not text")]
    return [head, *(_diff_line(each) for each in file.lines)]


def _diff_line(text: str) -> Text:
    style = (
        "green"
        if text.startswith("+")
        else "red"
        if text.startswith("-")
        else "dim"
        if text[:1] == "@"
        else ""
    )
    shown = text[:1] + "".join(letter for letter in text[1:] if letter == "\t" or letter.isprintable())
    return line((shown, style))


def _paper_lines(papers: Sequence[PaperDiff]) -> list[Text]:
    lines = []
    for change, (glyph, style) in CHANGES.items():
        group = [paper for paper in papers if paper.change is change]
        if not group:
            continue
        lines.append(line((f"{glyph} {change}: {count(len(group), 'paper')}", style)))
        if change in {PaperChange.REGRESSED, PaperChange.FIXED}:
            lines += [Text(f"    {paper.paper_id}  {paper.before} → {paper.after}") for paper in group]
    return lines or [Text("no paper was run by either")]


def _score_lines(score: ScoreDiff) -> list[Text]:
    lines = [
        Text(f"before  {score.before}"),
        Text(f"after   {score.after}"),
        Text(f"change  {change_words(score)}"),
    ]
    if score.rests_on_stopped:
        lines.append(
            Text("note    some evaluations were stopped once decided; the change looks larger than it is")
        )
    return lines
