"""Marks of images and PDF files: what they survive, and that nobody is named wrongly."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter

from node.data.masks import MaskError
from node.data.watermark.image import find_in_image, mark_image
from node.data.watermark.pdf import find_in_pdf, mark_pdf
from node.data.worker import Worker

KEYS = [bytes([n]) * 32 for n in range(1, 9)]
THRESHOLD = 1e-6 / len(KEYS)


def picture(width: int = 520, height: int = 430, kind: str = "PNG") -> bytes:
    """A landscape of smooth waves with grain, as a photograph has."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:height, 0:width]
    waves = 110 + 60 * np.sin(x / 37) * np.cos(y / 53) + random.normal(0, 6, (height, width))
    pixels = np.clip(np.stack([waves, waves * 0.9, waves * 0.7], axis=2), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def compress(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def named(data: bytes) -> list[int]:
    return [n for n, each in enumerate(find_in_image(data, KEYS)) if each.bound <= THRESHOLD]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_marked_image_is_found_and_looks_the_same(kind: str) -> None:
    plain = picture(kind=kind)
    made, traceable = mark_image(plain, KEYS[2], "delivery 3 to health")
    assert traceable
    assert named(made) == [2]
    assert named(plain) == []
    before, after = (Image.open(io.BytesIO(data)) for data in (plain, made))
    assert (after.format, after.size) == (kind, before.size)
    top = (0, 0, before.width, before.height - 20)
    a, b = (np.asarray(each.convert("L").crop(top), dtype=int) for each in (before, after))
    assert np.abs(a - b).mean() < 6


def test_it_survives_cropping_and_compression() -> None:
    made = Image.open(io.BytesIO(mark_image(picture(), KEYS[2], "delivery 3")[0])).convert("RGB")
    assert named(compress(made, 70)) == [2]
    assert named(compress(made.crop((37, 21, 400, 390)), 80)) == [2]


def test_what_destroys_it_names_nobody() -> None:
    made = Image.open(io.BytesIO(mark_image(picture(), KEYS[2], "delivery 3")[0])).convert("RGB")
    assert named(compress(made.resize((300, 250)), 80)) == []
    assert named(compress(Image.new("RGB", (400, 400), (9, 9, 9)), 80)) == []
    assert not mark_image(picture(200, 200), KEYS[0], "")[1]
    assert named(picture(60, 60)) == []


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(MaskError, match="cannot be read"):
        mark_image(data, KEYS[0], "")


def document(pages: int) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(300, 400)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def found(data: bytes) -> list[int]:
    return [n for n, each in enumerate(find_in_pdf(data, KEYS)) if each.bound <= THRESHOLD]


def test_a_pdf_is_found_by_its_properties_or_any_page() -> None:
    made = mark_pdf(document(3), KEYS[4], "delivery 5 to (health)")
    assert found(made) == [4]
    assert found(document(3)) == []
    reader = PdfReader(io.BytesIO(made))
    assert "delivery 5 to health" in reader.pages[1].extract_text()
    single = PdfWriter()
    single.add_page(reader.pages[2])
    out = io.BytesIO()
    single.write(out)
    assert "/MunimentMark" not in (PdfReader(out).metadata or {})
    assert found(out.getvalue()) == [4]


def test_what_is_no_pdf_is_refused() -> None:
    for data in (b"", b"%PDF-1.7\nnonsense", document(1)[:200]):
        with pytest.raises(MaskError, match="cannot be read as PDF"):
            mark_pdf(data, KEYS[0], "")


def test_files_are_marked_in_a_worker() -> None:
    args = {"kind": "pdf", "key": KEYS[0], "label": "delivery 1"}
    with Worker("stamp", args) as worker:
        worker.feed([document(1)])
        (frame,) = worker.frames()
    assert frame[0] == "file"
    assert found(frame[1]) == [0]
