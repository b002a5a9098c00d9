"""The page of every field of a recipe, from where the fields are declared."""

from collections.abc import Iterator

from markupsafe import escape

from dull_jax import config, fields, methods
from dull_jax.fields import Field

_INTRO = """# Configuration

A recipe has every field below. Any of them can be set on the command line:

    python -m dull_jax.main --config=configs/digits_t2h.py --config.noise.rate=0.2

The defaults are those of `configs/base.py`; recipes set their own. `--help` beside `--config=…`
prints the values of one recipe. A wrong name or value ends the command before it begins.

A field marked *neutral* changes where and how fast a run goes, and none of its numbers.
"""
_SECTIONS = {
    "": "The run",
    "data": "Data",
    "noise": "Label noise",
    "augment": "Augmentation",
    "model": "Network",
    "train": "Training",
    "optim": "Optimiser",
}


def page() -> str:
    """Markdown of the page."""
    return "\n".join([_INTRO, *_tables()])


def _tables() -> Iterator[str]:
    sections: dict[str, dict[str, Field]] = {}
    for name, field in config.schema().items():
        sections.setdefault(name.rpartition(".")[0], {})[name] = field
    for section, own in sections.items():
        yield f"## {_SECTIONS.get(section) or _method_title(section)}\n"
        yield "| field | default | values | what it does |\n|---|---|---|---|"
        yield from (_row(name, field) for name, field in own.items())
        yield ""


def _method_title(section: str) -> str:
    """'DULL'; of fields that methods share, the name of their file."""
    title = fields.title(methods.__name__, section)
    return title if title != section else f"`{section}`"


def _row(name: str, field: Field) -> str:
    default = f"as `{field.follows}`" if field.follows else _code(field.default)
    values = field.allowed or ("a path" if field.is_path else "")
    help = _text(field.help) + ("" if field.numbers else " *(neutral)*")
    return f"| `{name}` | {default} | {_text(values)} | {help} |"


def _code(value: object) -> str:
    text = repr(value) if isinstance(value, str) and value else str(value)
    return f"`{text}`" if text else "empty"


def _text(text: str) -> str:
    """Plain text in a cell of a Markdown table."""
    return str(escape(text)).replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")
