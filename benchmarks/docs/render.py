"""Measures nothing: writes the measured tables and figures of README and docs.

    python -m benchmarks.docs.render [--check]

Takes about ten seconds; `make results` runs it.
Writes README.md, docs/*.md and docs/figures/*.svg, from the files of benchmarks/results.

A table stands between `<!-- results: NAME -->` and `<!-- end -->`; NAME is one of `tables.TABLES`.
With --check nothing is written, and the exit code is 1 where a document differs from its results.
"""

import argparse
import pathlib
import re
import sys

from benchmarks.docs import figures
from benchmarks.docs.tables import TABLES

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(text: str) -> str:
    """A document with the tables of today's results.

    Raises:
      KeyError: a name that is none of `TABLES`.
    """
    return BLOCK.sub(lambda m: f"{m[1]}\n{TABLES[m[2]]()}\n\n{m[3]}", text)


def outdated() -> dict[pathlib.Path, str]:
    """{file: the text it should have} of documents and figures that differ from the results."""
    texts = {path: rendered(path.read_text()) for path in DOCUMENTS}
    texts |= {figures.FIGURES / name: text for name, text in figures.drawn().items()}
    return {
        path: text for path, text in texts.items() if not path.exists() or path.read_text() != text
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    args, differing = parser.parse_args(), outdated()
    if not args.check:
        for path, text in differing.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    names = ", ".join(path.name for path in differing) or "none"
    print(f"{'differ' if args.check else 'written'}: {names}")
    sys.exit(bool(differing and args.check))


if __name__ == "__main__":
    main()
