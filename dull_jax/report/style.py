"""The look of the report: one set of colours for light, one for dark, and the layout.

Charts take their colours from CSS variables, so they follow the reader's colour scheme. The
sequential scale rises in lightness only one way (readable with any colour vision and in grey);
its light end is the page in the light scheme, its dark end in the dark one: empty looks empty.
"""

from collections.abc import Sequence

LEVELS = 12  # steps of the sequential scale in CSS
_LIGHT_STOPS = ("#f1f5f4", "#c3e3d3", "#6cbfb5", "#3489a6", "#2a5591", "#1f2a5c")
_DARK_STOPS = ("#1d2632", "#24456a", "#2b7391", "#45a699", "#a3d597", "#f4f3b4")

_LIGHT = {
    "page": "#f5f7f9", "card": "#ffffff", "ink": "#17202b", "soft": "#556170", "line": "#dde3ea",
    "grid": "#e9edf2", "accent": "#1f5fbf", "tint": "#eaf1fc", "good": "#0b7a5d", "bad": "#b93a0e",
    "head": "#6f7d8d", "medium": "#2a9aa8", "tail": "#b5347f",
    "s0": "#1f5fbf", "s1": "#d2590a", "s2": "#00866a", "s3": "#a3489a",
    "s4": "#a67c00", "s5": "#5b6470", "s6": "#8a5a36", "s7": "#2595ae",
}  # fmt: skip
_DARK = {
    "page": "#0e131a", "card": "#161d27", "ink": "#e7ecf2", "soft": "#9dabba", "line": "#2b3644",
    "grid": "#232d3a", "accent": "#78b0ff", "tint": "#1b2a40", "good": "#4fd0a5", "bad": "#ff9468",
    "head": "#8b99aa", "medium": "#4fc3d0", "tail": "#f07dbd",
    "s0": "#78b0ff", "s1": "#ff9d57", "s2": "#46d3aa", "s3": "#e291d8",
    "s4": "#e3c04a", "s5": "#aeb8c4", "s6": "#cfa079", "s7": "#74d3e6",
}  # fmt: skip

_LAYOUT = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--ink);
 font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}
main,header,footer{max-width:1152px;margin:0 auto;padding:0 16px}
header{padding-top:34px}
h1{font-size:clamp(1.6rem,4.5vw,2.3rem);line-height:1.15;margin:0 0 6px;letter-spacing:-.02em;
 overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:0 0 4px;letter-spacing:-.01em}
h3{font-size:.95rem;margin:0 0 8px}h2,h3,.soft{break-after:avoid}
p{margin:0 0 10px;max-width:76ch}.before{margin-top:18px}
.soft,figcaption,footer{color:var(--soft)}
.eyebrow{color:var(--accent);font-weight:600;font-size:.8rem;letter-spacing:.06em;margin:0 0 4px}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 18px;font-size:.88rem}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;
 padding:24px;margin:0 0 18px}
.tiles{display:grid;grid-template-columns:repeat(7,1fr);gap:10px;margin:0 0 18px}
.tile{border:1px solid var(--line);border-radius:10px;padding:10px 12px;min-width:0}
.tile b{display:block;font-size:1.45rem;line-height:1.25;letter-spacing:-.02em;
 font-variant-numeric:tabular-nums;white-space:nowrap}
.tile span{display:block;font-size:.8rem;color:var(--soft);line-height:1.3}
.tile.first{background:var(--tint);border-color:transparent}.tile.first b{color:var(--accent)}
.plots{display:flex;flex-wrap:wrap;gap:26px 20px;align-items:flex-start;margin-top:14px}
.stack>*+*{margin-top:22px}
figure{margin:0;min-width:0;max-width:100%;break-inside:avoid}
figcaption{font-size:.83rem;line-height:1.4;margin-top:4px;max-width:342px}
figure.wide figcaption{max-width:68ch}
figure h3 small{font-weight:400;color:var(--soft)}
svg{display:block;max-width:100%;height:auto;font-size:11.5px;font-family:inherit}
svg text{fill:var(--soft)}svg text.ink{fill:var(--ink)}svg text.strong{font-weight:600}
.scroll{overflow-x:auto;max-width:100%}.scroll:focus-visible{outline:2px solid var(--accent)}
.scroll>svg{max-width:none}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.88rem}
caption{text-align:left;color:var(--soft);padding-bottom:4px}
th,td{padding:6px 12px 6px 0;text-align:right;border-bottom:1px solid var(--line);
 white-space:nowrap}
tbody tr:last-child>*{border-bottom:0}
th{font-weight:600}th:first-child,td.left{text-align:left}
thead th{color:var(--soft);font-weight:500;vertical-align:bottom}
td.best{font-weight:700;color:var(--accent)}td.best::before{content:"\\25B2";font-size:.6em;
 margin-right:4px;vertical-align:.25em}
tr.own{background:var(--tint)}tr.own>:first-child{color:var(--accent)}
.note{font-size:.83rem;margin:8px 0 0}.full table{width:100%}.full th:first-child{padding-left:10px}
table.wide td,table.wide th{white-space:normal;overflow-wrap:anywhere;text-align:left;
 vertical-align:top}
table.wide th{width:15rem;min-width:8rem;font-weight:500;color:var(--soft)}
table.wide{width:100%}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:.85rem;color:var(--soft);
 list-style:none;margin:8px 0 0;padding:0}
.legend li{display:flex;align-items:center;gap:6px}.legend svg{flex:none}
ol.flow{list-style:none;margin:0;padding:0;font-size:.88rem;min-width:210px}
ol.flow li{display:flex;justify-content:space-between;gap:16px;padding:3px 0;
 border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
ol.flow li:last-child{border:0}ol.flow span{overflow-wrap:anywhere}
.said{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));
 gap:14px 34px;margin:0 0 20px}
.said h3{margin:0 0 2px}.said p{margin:0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;
 list-style:none;margin:14px 0 0;padding:0}
.cards li{border:1px solid var(--line);border-radius:10px;padding:10px;font-size:.83rem;
 line-height:1.4;min-width:0;break-inside:avoid;overflow-wrap:anywhere}
.cards img{display:block;width:96px;height:96px;object-fit:contain;image-rendering:pixelated;
 border-radius:6px;margin-bottom:8px;background:var(--grid)}
.cards .id{color:var(--soft);font-size:.78rem;font-family:ui-monospace,Menlo,Consolas,
 "Liberation Mono",monospace;display:block}
.mark{font-weight:600;display:block;margin-top:3px}.bad{color:var(--bad)}.good{color:var(--good)}
details{margin-top:12px}summary{cursor:pointer;font-weight:600;padding:4px 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--page);border-radius:8px;
 padding:10px 12px;font-size:.82rem;margin:0 0 12px}
footer{font-size:.83rem;padding-bottom:30px}
.night{display:none}.pixels{image-rendering:pixelated}
@media (max-width:900px){.tiles{grid-template-columns:repeat(4,1fr)}.tile.first{grid-column:span 2}}
@media (max-width:560px){section{padding:16px 14px;border-radius:12px}
 main,header,footer{padding:0 9px}
 header{padding-top:22px}.tiles{grid-template-columns:repeat(2,1fr)}
 .cards{grid-template-columns:repeat(2,1fr)}}
@media print{body{background:#fff;font-size:11px}nav{display:none}section{border:0;padding:8px 0}
 .cards{grid-template-columns:repeat(6,1fr)}.scroll{overflow:visible}.scroll>svg{max-width:100%}
 details::details-content{content-visibility:visible;block-size:auto}
 *{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def css() -> str:
    """The style sheet. Paper is always light, whatever the screen is."""
    series = "".join(
        f".s{i}{{stroke:var(--s{i})}}.f{i}{{fill:var(--s{i})}}" for i in range(NUM_SERIES)
    )
    groups = "".join(f".g-{g}{{fill:var(--{g})}}" for g in ("head", "medium", "tail"))
    scale = "".join(
        f".q{i}{{fill:var(--q{i})}}svg text.t{i}{{fill:var(--t{i})}}" for i in range(LEVELS)
    )
    night = ".night{display:inline}.day{display:none}"
    return (
        f":root{{color-scheme:light dark;{_variables(_LIGHT, _LIGHT_STOPS)}}}"
        f"{_LAYOUT}{series}.g-{{fill:var(--head)}}{groups}{scale}"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{{_variables(_DARK, _DARK_STOPS)}}}{night}}}"
    )


NUM_SERIES = sum(key[0] == "s" and key[1:].isdigit() for key in _LIGHT)


def ramp(steps: int, dark: bool = False) -> list[tuple[int, int, int]]:
    """`steps` RGB colours of the sequential scale, from nothing to most."""
    stops = [_rgb(stop) for stop in (_DARK_STOPS if dark else _LIGHT_STOPS)]
    colours = []
    for step in range(steps):
        place = step / max(1, steps - 1) * (len(stops) - 1)
        low = min(int(place), len(stops) - 2)
        pairs = zip(stops[low], stops[low + 1], strict=True)
        colours.append(tuple(round(a + (b - a) * (place - low)) for a, b in pairs))
    return colours


def _variables(colours: dict[str, str], stops: Sequence[str]) -> str:
    scale = ramp(LEVELS, dark=stops is _DARK_STOPS)
    named = {f"q{i}": "#" + bytes(c).hex() for i, c in enumerate(scale)}
    named |= {f"t{i}": _readable_on(c) for i, c in enumerate(scale)}
    return "".join(f"--{key}:{value};" for key, value in (colours | named).items())


def _readable_on(colour: tuple[int, int, int]) -> str:
    """Black or white text, whichever has the higher contrast (WCAG 2 relative luminance)."""
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#10161d" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
