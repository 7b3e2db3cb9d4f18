"""Reads Markdown, plain text and reStructuredText in UTF-8, unchanged."""

from pathlib import PurePosixPath

from studbook.evaluate.contracts import ReadPaper

SUFFIXES = (".md", ".markdown", ".txt", ".rst", ".text")


class TextReader:
    suffixes = SUFFIXES

    def reads(self, name: str) -> bool:
        return PurePosixPath(name).suffix.lower() in SUFFIXES

    def read(self, data: bytes, name: str) -> ReadPaper:  # `name` is not needed
        if b"\0" in data:
            raise ValueError("binary, or text in UTF-16 (papers are UTF-8)")
        try:
            return ReadPaper(text=data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 text (byte {error.start:,})") from None


plugin = TextReader
