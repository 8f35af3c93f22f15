"""Marks of images: a line that is read, and a faint tile pattern that is not seen.

The pattern of 64 by 64 keyed signs (each two pixels wide) is added to the brightness all over, a
spread-spectrum mark (Cox et al., IEEE Transactions on Image Processing 6, 1997). It is found by
folding what is left of the image without its smooth part onto one tile, at every offset, so it
survives cropping and compression; scaling, turning and redrawing destroy it.
"""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from PIL import Image, ImageDraw, ImageFilter, UnidentifiedImageError

from node.data.masks.base import MaskError, derive
from node.data.watermark.evidence import BOUND, Evidence, upper

MAX_PIXELS = 100_000_000
MIN_SIDE = 256
"""Pixels of the shorter side below which an image is too small to carry the pattern."""
_TILE = 64
_GRAIN = 2
_STRENGTH = 4.0
_CLIP = 16.0
_SMOOTH = 3
_LINE_PIXELS = 18
_FORMATS = {"PNG": "PNG", "JPEG": "JPEG", "WEBP": "WEBP", "TIFF": "TIFF"}


def mark_image(data: bytes, key: bytes, label: str) -> tuple[bytes, bool]:
    """Return an image of the same format with `label` and the pattern of `key`.

    The second value says whether it is large enough to be traced by the pattern. What else a file
    holds (place, camera, thumbnails) is left out. Raises MaskError.
    """
    image, kind = _open(data)
    pixels = np.asarray(image, dtype=np.float32)
    height, width = pixels.shape[:2]
    tile = np.kron(_pattern(key), np.ones((_GRAIN, _GRAIN), dtype=np.float32))
    down, across = -(-height // len(tile)), -(-width // len(tile))
    pattern = np.tile(tile, (down, across))[:height, :width, None] * _STRENGTH
    made = Image.fromarray(np.clip(np.rint(pixels + pattern), 0, 255).astype(np.uint8))
    _write_label(made, label)
    out = io.BytesIO()
    made.save(out, kind, **({"quality": 92} if kind in ("JPEG", "WEBP") else {}))
    return out.getvalue(), min(height, width) >= MIN_SIDE


def find_in_image(data: bytes, keys: list[bytes]) -> list[Evidence]:
    """Return what an image says about each key. Raises MaskError."""
    image, _ = _open(data)
    folded = _fold(image)
    if folded is None:
        return [Evidence(1.0, 1.0, 0) for _ in keys]
    return [_weigh(folded, key) for key in keys]


def _open(data: bytes) -> tuple[Image.Image, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=list(_FORMATS))
            if image.width * image.height > MAX_PIXELS:
                raise MaskError(f"the image has more than {MAX_PIXELS // 10**6} million pixels")
            kind = str(image.format)
            return image.convert("RGB"), kind
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError,
            Image.DecompressionBombWarning) as error:  # fmt: skip
        raise MaskError("the image cannot be read as PNG, JPEG, WebP or TIFF") from error


def _pattern(key: bytes) -> np.ndarray:
    """64 by 64 signs, +1 or -1."""
    stream = Cipher(algorithms.AES(derive(key, "image")), modes.CTR(bytes(16))).encryptor()
    bits = np.unpackbits(np.frombuffer(stream.update(bytes(_TILE * _TILE // 8)), dtype=np.uint8))
    return (bits.astype(np.float32) * 2 - 1).reshape(_TILE, _TILE)


def _write_label(image: Image.Image, label: str) -> None:
    """Write the label on a light bar at the lower edge."""
    draw = ImageDraw.Draw(image)
    top = image.height - _LINE_PIXELS
    draw.rectangle((0, top, image.width, image.height), fill=(245, 245, 245))
    draw.text((4, top + 3), label, fill=(70, 70, 70))


def _fold(image: Image.Image) -> np.ndarray | None:
    """Return the mean tile of an image's fine structure for both grains on each axis.

    Shape (grain, grain, 64, 64); None for an image smaller than a tile.
    """
    gray = image.convert("L")
    smooth = gray.filter(ImageFilter.GaussianBlur(_SMOOTH))
    rest = np.asarray(gray, dtype=np.float32) - np.asarray(smooth, dtype=np.float32)
    rest = np.clip(rest, -_CLIP, _CLIP)
    side = _TILE * _GRAIN
    if min(rest.shape) < side + _GRAIN:
        return None
    folded = np.empty((_GRAIN, _GRAIN, _TILE, _TILE), dtype=np.float64)
    for y in range(_GRAIN):
        for x in range(_GRAIN):
            part = rest[y:, x:]
            down, across = part.shape[0] // side, part.shape[1] // side
            tiles = part[: down * side, : across * side].reshape(down, side, across, side)
            tile = tiles.mean(axis=(0, 2))
            folded[y, x] = tile.reshape(_TILE, _GRAIN, _TILE, _GRAIN).mean(axis=(1, 3))
    return folded


def _weigh(folded: np.ndarray, key: bytes) -> Evidence:
    """Correlate with a key's pattern at every offset; the best counts, paid for by their number.

    At one offset this is a weighted sum of random signs (`evidence.py`), the weights being the
    folded values.
    """
    pattern = np.fft.fft2(_pattern(key))
    sums = np.fft.ifft2(np.fft.fft2(folded) * np.conj(pattern)).real
    scale = np.sqrt((folded**2).sum(axis=(2, 3)))
    if not scale.all():
        return Evidence(1.0, 1.0, 0)
    best = float((sums.max(axis=(2, 3)) / scale).max())
    tried = _GRAIN * _GRAIN * _TILE * _TILE
    p_value = -math.expm1(tried * math.log1p(-min(upper(best), 0.5)))
    return Evidence(p_value, min(1.0, tried * BOUND * upper(best)), _TILE * _TILE)
