"""The colours that charts share: names of CSS variables, and the sequential scale.

A chart never holds a colour of its own: it names a variable of `templates/style.css`, so it
follows the reader's light or dark scheme. The sequential scale rises in lightness only one way
(readable with any colour vision and in grey); its light end is the page in the light scheme, its
dark end in the dark one: empty looks empty.
"""

LEVELS = 12  # steps of the sequential scale in CSS
_STOPS = {
    "light": ("#f1f5f4", "#c3e3d3", "#6cbfb5", "#3489a6", "#2a5591", "#1f2a5c"),
    "dark": ("#1d2632", "#24456a", "#2b7391", "#45a699", "#a3d597", "#f4f3b4"),
}

_NUM_SERIES = 8
# The run's own line is solid; the others differ by colour and by dash.
_DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [1, 2], [12, 4], [6, 2, 2, 2])


def series(index: int) -> str:
    """The colour of method `index`; after the last colour they start again, with another dash."""
    return f"var(--s{index % _NUM_SERIES})"


def dash(index: int) -> list[int]:
    """The dashes of the line of method `index`: lengths of stroke and gap."""
    return _DASHES[index % len(_DASHES)]


def group(name: str) -> str:
    """The colour of head, medium or tail classes; that of the head where there are no groups."""
    return f"var(--{name or 'head'})"


def ramp(steps: int, scheme: str = "light") -> list[tuple[int, int, int]]:
    """`steps` RGB colours of the sequential scale, from nothing to most."""
    stops = [tuple(bytes.fromhex(stop[1:])) for stop in _STOPS[scheme]]
    colours = []
    for step in range(steps):
        place = step / max(1, steps - 1) * (len(stops) - 1)
        low = min(int(place), len(stops) - 2)
        pairs = zip(stops[low], stops[low + 1], strict=True)
        colours.append(tuple(round(a + (b - a) * (place - low)) for a, b in pairs))
    return colours


def scale_variables(scheme: str) -> str:
    """CSS: the scale's colours `--q0` … and the text that is readable on each, `--t0` …."""
    scale = ramp(LEVELS, scheme)
    fills = "".join(f"--q{i}:#{bytes(colour).hex()};" for i, colour in enumerate(scale))
    return fills + "".join(f"--t{i}:{_readable_on(colour)};" for i, colour in enumerate(scale))


def _readable_on(colour: tuple[int, int, int]) -> str:
    """Black or white text, whichever has the higher contrast (WCAG 2 relative luminance)."""
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#10161d" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"
