"""Reads papers from a folder or a file.

A paper is identified by its content, so it stays the same paper under any file name and line wrapping. A file
that cannot be read is skipped with a reason; parsing a format is up to its reader (`readers/`), and which
files there are to `paper_files.py`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median

from studbook.errors import CorpusError, PluginError
from studbook.evaluate.contracts import Paper, PaperReader, ReadPaper
from studbook.evaluate.paper_files import FoundFile, Skipped, UnreadableFile, find_files, read_file
from studbook.evaluate.readers.text import SUFFIXES, TextReader
from studbook.evaluate.text import strip_hidden
from studbook.identity import Json, hash_bytes

MIN_CHARACTERS = 2_000
MAX_CHARACTERS = 500_000
MAX_FILE_BYTES = 8 * 1024 * 1024

_UNDERLINE = re.compile(r"([=\-~^*+#\"'.:_])\1{3,}\s*\Z")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Papers in file name order; no two have the same content."""

    papers: tuple[Paper, ...]
    skipped: tuple[Skipped, ...]


def read_corpus(path: Path, readers: Sequence[PaperReader] = (TextReader(),)) -> Corpus:
    """Every paper under a folder, or one file. The first reader that accepts a file name reads the file.

    Raises CorpusError when there is nothing to read.
    """
    if not path.exists():
        raise CorpusError(f"{path} does not exist: give a folder of papers, or one file.")
    papers: dict[str, Paper] = {}
    skipped: list[Skipped] = []
    for found in find_files(path):
        read = _read(found, readers) if isinstance(found, FoundFile) else found
        if isinstance(read, Paper) and read.paper_id in papers:
            read = Skipped(source=read.source, reason=f"the same content as {papers[read.paper_id].source}")
        if isinstance(read, Paper):
            papers[read.paper_id] = read
        else:
            skipped.append(read)
    if not papers:
        raise CorpusError(_nothing_there(path, skipped))
    return Corpus(papers=tuple(papers.values()), skipped=tuple(skipped))


def make_paper(text: str, source: str, title: str | None = None) -> Paper:
    """A paper from text, without hidden characters, trailing spaces and runs of blank lines.

    Form feeds and similar characters become line ends: removing them would join the words on either side.
    """
    visible, _ = strip_hidden("\n".join(unicodedata.normalize("NFC", text).splitlines()))
    lines = "\n".join(line.rstrip() for line in visible.split("\n"))
    normal = _BLANK_LINES.sub("\n\n", lines).strip()
    identity = hash_bytes(" ".join(normal.split()).encode("utf-8"))[:16]
    return Paper(paper_id=identity, title=title or find_title(normal) or source, text=normal, source=source)


def find_title(text: str) -> str | None:
    """A Markdown heading, an underlined line, or the first line that reads like a title."""
    lines = [line.strip() for line in text.split("\n")[:40]]
    for number, line in enumerate(lines):
        if re.match(r"#{1,2} \S", line):
            return line.lstrip("#").strip(" #")[:300]
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line and not _UNDERLINE.match(line) and len(following) >= 4 and _UNDERLINE.match(following):
            return line[:300]
    return next((line[:300] for line in lines if re.match(r"[^\W_].{3,200}\Z", line)), None)


def _read(found: FoundFile, readers: Sequence[PaperReader]) -> Paper | Skipped:
    source, name = found.source, PurePosixPath(found.source).name
    reader = next((each for each in readers if each.reads(name)), None)
    if reader is None:
        suffix = PurePosixPath(name).suffix or "(none)"
        return Skipped(source=source, reason=f"unsupported format {suffix} (read: {_formats(readers)})")
    try:
        data = read_file(found, MAX_FILE_BYTES)
    except UnreadableFile as error:
        return Skipped(source=source, reason=str(error))
    if not data.strip():
        return Skipped(source=source, reason="empty")
    try:
        read = reader.read(data, name)
    except ValueError as error:
        return Skipped(source=source, reason=str(error))
    except PluginError as error:
        raise PluginError(f"{source}: {error}") from error
    return _as_paper(read, source)


def _as_paper(read: ReadPaper, source: str) -> Paper | Skipped:
    paper = make_paper(read.text, source, read.title)
    if len(paper.text) < MIN_CHARACTERS:
        return Skipped(
            source=source, reason=f"too short: {len(paper.text):,} of {MIN_CHARACTERS:,} characters"
        )
    if len(paper.text) > MAX_CHARACTERS:
        return Skipped(source=source, reason=f"too long: over {MAX_CHARACTERS:,} characters")
    return paper


def _formats(readers: Sequence[PaperReader]) -> str:
    """For display: the suffixes of the readers that declare them, and how many others there are."""
    declared = [suffix for each in readers for suffix in getattr(each, "suffixes", ())]
    others = sum(not hasattr(each, "suffixes") for each in readers)
    return " ".join([*declared, *([f"{others} of your own"] if others else [])])


def _nothing_there(path: Path, skipped: list[Skipped]) -> str:
    if not skipped:
        return f"{path} holds no files.\nPut papers there as {', '.join(SUFFIXES)} in UTF-8."
    shown = "; ".join(f"{item.source}: {item.reason}" for item in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{path} holds no readable paper: {shown}{more}.\nPapers are {', '.join(SUFFIXES)} in UTF-8."


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStats:
    papers: int
    skipped: int
    characters: int
    words: int
    shortest_characters: int
    median_characters: int
    longest_characters: int
    formats: dict[str, int]
    skip_reasons: dict[str, int]

    def to_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}


def corpus_stats(corpus: Corpus) -> CorpusStats:
    lengths = [len(paper.text) for paper in corpus.papers]
    formats = Counter(PurePosixPath(paper.source).suffix.lower() for paper in corpus.papers)
    reasons = Counter(item.reason.split(":")[0].split(" (")[0] for item in corpus.skipped)
    return CorpusStats(
        papers=len(corpus.papers),
        skipped=len(corpus.skipped),
        characters=sum(lengths),
        words=sum(len(paper.text.split()) for paper in corpus.papers),
        shortest_characters=min(lengths, default=0),
        median_characters=int(median(lengths)) if lengths else 0,
        longest_characters=max(lengths, default=0),
        formats=dict(sorted(formats.items())),
        skip_reasons=dict(sorted(reasons.items())),
    )
