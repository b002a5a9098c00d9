"""Grey values of more than 8 bits as 8: by the range that the file states, or else its values.

A camera of 12 bits writes files of 16; divided by 257 its images would be black. The range is a
function of the file alone, so that an image looks the same in whatever folder it lies.
"""

import numpy as np
from PIL import Image

COST = 3  # bytes of a pixel that `eight_bits` takes beside the image and a copy of it
_RANGES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
_STRIP = 1 << 18  # values converted together
_BITS, _LARGEST, _FORMAT = 258, 281, 339  # TIFF: BitsPerSample, MaxSampleValue, SampleFormat


def eight_bits(image: Image.Image) -> tuple[Image.Image, str]:
    """Values of 16 or 32 bits, decoded, as "L"; and a note where they are stretched.

    0 and the largest value of the range become 0 and 255. The range ends with what a TIFF states,
    or else with the smallest of 8, 10, 12, 14 and 16 bits that holds every value. Where there are
    negative values, or larger ones, it goes from the smallest to the largest value.
    """
    values = _values(image)
    low, high, note = _range(image, int(values.min()), int(values.max()))
    out, rows = np.empty(values.shape, np.uint8), max(1, _STRIP // values.shape[1])
    span = max(high - low, 1)
    for top in range(0, len(values), rows):
        part = values[top : top + rows].astype(np.int64) - low
        out[top : top + rows] = (2 * 255 * part + span) // (2 * span)
    return Image.fromarray(out), note


def _values(image: Image.Image) -> np.ndarray:
    """[H, W]; Pillow reads unsigned values of 32 bits as if they were signed."""
    values = np.asarray(image)
    unsigned = _tag(image, _BITS) == 32 and _tag(image, _FORMAT) in (0, 1)
    return values.view(np.uint32) if unsigned and values.dtype == np.int32 else values


def _range(image: Image.Image, low: int, high: int) -> tuple[int, int, str]:
    """(what becomes 0, what becomes 255, a note), of an image with values `low` to `high`."""
    if low < 0 or high > _RANGES[-1]:
        return low, high, "values outside of 16 bits: stretched from the lowest to the highest"
    stated = _stated(image)
    top = stated if stated >= high else next(limit for limit in _RANGES if high <= limit)
    if top == _RANGES[-1]:
        return 0, top, ""
    bits = f"{top.bit_length()}-bit values" if top in _RANGES else f"values up to {top:,}"
    return 0, top, f"{bits} in a deeper file: stretched"


def _stated(image: Image.Image) -> int:
    """The largest value that the file says there can be; 0 where it says nothing."""
    if image.format == "PPM":  # scaled to 16 bits by Pillow
        return _RANGES[-1]
    bits = _tag(image, _BITS)
    return min(_tag(image, _LARGEST) or (2**bits - 1 if 8 < bits < 16 else 0), _RANGES[-1])


def _tag(image: Image.Image, tag: int) -> int:
    """A number of a TIFF file; 0 where it has none, or no sound one."""
    value = getattr(image, "tag_v2", {}).get(tag, 0)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) and value > 0 else 0
