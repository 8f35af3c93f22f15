"""Marks of PDF files: a line on every page, and a tag on every page and in the file's properties.

The tag is HMAC-SHA-256 of a delivery's key; by chance it would be found once in 2**128 files.
Printing, redrawing and tools that rewrite pages remove the tag; the line goes only with the page's
lower edge.
"""

from __future__ import annotations

import hmac
import io
from hashlib import sha256

from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.errors import PyPdfError
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from node.data.masks.base import MaskError
from node.data.watermark.evidence import Evidence

MAX_PAGES = 5_000
_TAG_BYTES = 16
_PROPERTY = "/MunimentMark"
_FOUND = Evidence(2.0**-128, 2.0**-128, 1)
_UNKNOWN = Evidence(1.0, 1.0, 0)


def mark_pdf(data: bytes, key: bytes, label: str) -> bytes:
    """Return the file with `label` and the tag of `key`. Raises MaskError."""
    tag = _tag(key)
    try:
        writer = PdfWriter(clone_from=_read(data))
        for page in writer.pages:
            page.merge_page(_stamp(page, label, tag))
        writer.add_metadata({_PROPERTY: tag})
        out = io.BytesIO()
        writer.write(out)
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MaskError("the file cannot be read as PDF") from error
    return out.getvalue()


def find_in_pdf(data: bytes, keys: list[bytes]) -> list[Evidence]:
    """Return what a file says about each key. Raises MaskError."""
    try:
        reader = _read(data)
        properties = reader.metadata
        told = b"" if properties is None else str(properties.get(_PROPERTY)).encode()
        for page in reader.pages:
            contents = page.get_contents()
            told += b"\n" + (b"" if contents is None else contents.get_data())
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MaskError("the file cannot be read as PDF") from error
    return [_FOUND if _tag(key).encode() in told else _UNKNOWN for key in keys]


def _read(data: bytes) -> PdfReader:
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted:
        raise MaskError("the PDF is encrypted; it cannot be marked or traced as it is")
    if len(reader.pages) > MAX_PAGES:
        raise MaskError(f"the PDF has more than {MAX_PAGES} pages")
    return reader


def _tag(key: bytes) -> str:
    return hmac.digest(key, b"muniment pdf", sha256)[:_TAG_BYTES].hex()


def _stamp(page: PageObject, label: str, tag: str) -> PageObject:
    """A page of the same size with the line, in marked content that names the tag."""
    box = page.mediabox
    stamp = PageObject.create_blank_page(None, float(box.width), float(box.height))
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    stamp[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/MunimentF"): font})}
    )
    plain = "".join(c for c in label if c.isascii() and c.isprintable() and c not in "()\\")
    x, y = float(box.left) + 24, float(box.bottom) + 12
    content = StreamObject()
    content.set_data(
        f"/Muniment <</Mark ({tag})>> BDC q 0.45 g BT /MunimentF 7 Tf {x:.1f} {y:.1f} Td "
        f"({plain}) Tj ET Q EMC".encode("ascii")
    )
    stamp[NameObject("/Contents")] = content
    return stamp
