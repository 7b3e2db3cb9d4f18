"""Commands for papers: make synthetic ones, list and print them, count them."""

from argparse import Namespace
from pathlib import Path

from studbook.errors import CorpusError, UsageError
from studbook.evaluate.contracts import Paper
from studbook.evaluate.near_duplicate_papers import find_near_duplicates
from studbook.evaluate.papers import Corpus, corpus_stats, read_corpus
from studbook.evaluate.readers import SOURCE
from studbook.experiments.cli.command import command, flag
from studbook.experiments.cli.terminal import Terminal
from studbook.experiments.run.corpus import group_words, near_duplicates_note, skipped_note
from studbook.experiments.views.lines import labelled, notice_line, table
from studbook.experiments.views.text import clean_block, clean_line, count

PAPERS = flag("papers", metavar="PAPERS", help="a directory or file of papers (.md, .txt)")


@command(
    "studbook papers synth papers --count 20",
    flag("folder", metavar="DIR", help="where to write; a file with other content is never replaced"),
    flag("--count", metavar="N", type=int, default=20, help="how many (default: %(default)s)"),
    flag("--seed", metavar="N", type=int, default=0, help="random seed: the same seed gives the same papers"),
)
def synth(options: Namespace, terminal: Terminal) -> int:
    if options.count < 1:
        raise UsageError(f"--count {options.count}: must be at least 1")
    source = SOURCE.build(SOURCE.find("synthetic"))
    paths = source.write(Path(options.folder), options.count, options.seed)
    if terminal.wants_json:
        terminal.json({"schema": 1, "folder": options.folder, "papers": [path.name for path in paths]})
    else:
        terminal.result([f"{count(len(paths), 'synthetic paper')} in {options.folder}"])
    return 0


@command(
    "studbook papers show papers",
    PAPERS,
    flag("paper", metavar="PAPER", nargs="?", help="a paper's id, or a prefix of it"),
)
def show(options: Namespace, terminal: Terminal) -> int:
    corpus = read_corpus(Path(options.papers))
    if options.paper is None:
        return _list(corpus, terminal)
    paper = find_paper(corpus, options.paper)
    if terminal.wants_json:
        terminal.json({"schema": 1, "paper": paper})
    else:
        terminal.verbatim(clean_block(paper.text).splitlines())
    return 0


@command("studbook papers stats papers", PAPERS)
def stats(options: Namespace, terminal: Terminal) -> int:
    corpus = read_corpus(Path(options.papers))
    figures = corpus_stats(corpus)
    groups = find_near_duplicates(corpus.papers)
    if terminal.wants_json:
        near = [[paper.paper_id for paper in group] for group in groups]
        terminal.json({"schema": 1, "stats": {**figures.to_json(), "near_duplicates": near}})
        return 0
    formats = ", ".join(f"{number} {clean_line(name, 20)}" for name, number in figures.formats.items())
    terminal.result(
        [
            labelled("papers", f"{figures.papers:,} ({formats})"),
            labelled(
                "length",
                f"{figures.shortest_characters:,} to {figures.longest_characters:,} characters, "
                f"median {figures.median_characters:,}",
            ),
            labelled("total", f"{figures.characters:,} characters, {figures.words:,} words"),
            labelled("skipped", count(figures.skipped, "file")),
        ]
    )
    if groups:
        terminal.result([labelled("alike", clean_line(near_duplicates_note(groups).partition(":")[0]))])
    for group in groups:
        terminal.result([f"  {clean_line(group_words(group, {}), 160)}: near-duplicates"])
    for skipped in corpus.skipped:
        terminal.result([f"  {clean_line(skipped.source, 80)}: {clean_line(skipped.reason)}"])
    return 0


def find_paper(corpus: Corpus, text: str) -> Paper:
    """Finds a paper by a prefix of its id, or by file name."""
    found = [paper for paper in corpus.papers if paper.paper_id.startswith(text) or paper.source == text]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} papers begin" if found else "no paper begins"
    raise CorpusError(f"{problem} with {clean_line(text, 60)!r}\n  studbook papers show PAPERS lists them")


def _list(corpus: Corpus, terminal: Terminal) -> int:
    if terminal.wants_json:
        listed = [
            {
                "paper_id": each.paper_id,
                "characters": len(each.text),
                "title": each.title,
                "source": each.source,
            }
            for each in corpus.papers
        ]
        terminal.json({"schema": 1, "papers": listed, "skipped": corpus.skipped})
        return 0
    rows = [
        (each.paper_id, f"{len(each.text):,}", clean_line(each.source, 40), clean_line(each.title, 70))
        for each in corpus.papers
    ]
    terminal.result(table(("paper", "characters", "file", "title"), rows))
    if corpus.skipped:
        terminal.progress(notice_line(skipped_note(corpus.skipped)))
    return 0
