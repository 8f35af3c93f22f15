"""Text of documents: plain, Markdown, HTML, Word, PDF. Bounded; what cannot be read is told."""

from __future__ import annotations

import zipfile
from html.parser import HTMLParser
from pathlib import Path

from node.data.readers.batches import ReadError
from node.data.readers.columnar import check_archive

MAX_DOCUMENT_BYTES = 64 << 20
MAX_TEXT_CHARACTERS = 16 << 20
MAX_PAGES = 5_000
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
SUFFIXES = (".txt", ".md", ".html", ".htm", ".docx", ".pdf")


def text_of(path: Path, suffix: str) -> str:
    """Return a document's text; the suffix says what it is. Raises ReadError."""
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise ReadError(f"{path} is larger than {MAX_DOCUMENT_BYTES >> 20} MiB")
        match suffix.lower():
            case ".docx":
                text = _word(path)
            case ".pdf":
                text = _pdf(path)
            case ".html" | ".htm":
                text = _html(_plain(path))
            case ".txt" | ".md":
                text = _plain(path)
            case _:
                known = ", ".join(SUFFIXES)
                raise ReadError(
                    f"{path}: {suffix or 'no suffix'} is no document; known are {known}"
                )
    except OSError as error:
        raise ReadError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ReadError(f"{path} has more than {MAX_TEXT_CHARACTERS} characters")
    return text


def _plain(path: Path) -> str:
    data = path.read_bytes()
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ReadError(f"{path} is neither UTF-8, UTF-16 with a mark, nor GB18030")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.parts.append(" ")
        self.parts += [value + " " for _, value in attrs if value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _html(source: str) -> str:
    parser = _Text()
    parser.feed(source)
    parser.close()
    return "".join(parser.parts)


def _word(path: Path) -> str:
    """All text of a Word file's parts: body, headers, footnotes, comments."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    check_archive(path)
    parts = []
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if not name.startswith("word/") or not name.endswith(".xml"):
                    continue
                for node in fromstring(archive.read(name)).iter():
                    if node.tag == f"{_WORD}t":
                        parts.append(node.text or "")
                    elif node.tag in (f"{_WORD}p", f"{_WORD}br", f"{_WORD}tab"):
                        parts.append("\n")
    except (zipfile.BadZipFile, ParseError, DefusedXmlException, KeyError, RuntimeError) as error:
        raise ReadError(f"{path} is not a Word document, or is damaged") from error
    return "".join(parts)


def _pdf(path: Path) -> str:
    from pypdf import PdfReader

    try:
        reader = PdfReader(path)
        if reader.is_encrypted:
            raise ReadError(f"{path} is encrypted")
        if len(reader.pages) > MAX_PAGES:
            raise ReadError(f"{path} has more than {MAX_PAGES} pages")
        text = "\n".join(page.extract_text() for page in reader.pages)
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(f"{path} is not a PDF, or is damaged") from error
    if not text.strip():
        raise ReadError(f"{path} holds no text; a scanned page must be read by a person")
    return text
