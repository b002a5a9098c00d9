"""Opens a page on which a person decides about the labels that an audit suspects.

python -m dull_jax.review --run=runs/mine --open
python -m dull_jax.review --audit=audit --decisions=mine.csv
"""

import shlex
import threading
import webbrowser
from collections.abc import Sequence

from absl import flags

from dull_jax import cli, invocation
from dull_jax.audit import saved
from dull_jax.errors import UserError
from dull_jax.names import shown
from dull_jax.review import pictures
from dull_jax.review.server import Page, listening
from dull_jax.review.session import Session
from dull_jax.run_dir import layout, overwrite


def define_flags() -> None:
    """When the module is run, not when it is imported: commands share names of flags."""
    flags.DEFINE_string("run", None, "The folder of a run: the audit in it is reviewed.")
    flags.DEFINE_string("audit", None, "Instead of a run: the folder of an audit.")
    flags.DEFINE_string(
        "decisions", None, "The .csv file that decisions are added to; AUDIT/decisions.csv without."
    )
    flags.DEFINE_string(
        "images", None, "Where the images are, if elsewhere: the folder below which the paths lie."
    )
    flags.DEFINE_bool("open", False, "Opens the page in the browser.")
    flags.DEFINE_integer("port", 0, "Where the page is served; 0: any that is free.", 0, 65535)
    flags.DEFINE_string(
        "host", "127.0.0.1", "The address to listen at; another than this opens it to the network."
    )


def main(argv: Sequence[str]) -> None:
    cli.check_flags_only(argv, "review")
    run, audit, decided, images = (
        cli.path_flag(name, local=True) for name in ("run", "audit", "decisions", "images")
    )
    folder = audit or (run and run / layout.AUDIT)
    if folder is None or (run and audit):
        raise UserError(f"give --run or --audit; see {invocation.named('review')} --help")
    path = decided or folder / layout.DECISIONS
    found = saved.read(folder)
    overwrite.check_output("decisions", path, (".csv",))
    found = pictures.below(found, images) if images else found
    if found.pictures is None and not any(found.files):
        say("no images are known; add --images=FOLDER, the one below which their paths lie")
    elif first := pictures.gone(found):
        say(f"the images are not where they were, {shown(first)} for one; add --images=FOLDER")
    session = Session(found, path)
    for note in session.state().notes:
        say(note)
    audited = f"--run={shlex.quote(str(run))}" if run else "…"
    command = f"{invocation.named('audit')} {audited} --decisions={shlex.quote(str(path))}"
    _serve(listening(session, str(folder), flags.FLAGS.host, flags.FLAGS.port, command))
    if count := len(session.state().history):
        said = "1 decision" if count == 1 else f"{count:,} decisions"
        say(f"\n{said} in {session.path}; the next audit learns from them:\n{command}")


def _serve(page: Page) -> None:
    """Until a signal ends it."""
    say(f"review: {page.address}\ndecisions: {page.session.path}\nCtrl-C ends it; nothing is lost")
    threading.Thread(target=pictures.forget_old, daemon=True).start()
    if flags.FLAGS.host not in ("127.0.0.1", "localhost", "::1"):
        say("CAUTION: whoever reaches this address, and knows it, sees the images and can decide")
    if flags.FLAGS.open:  # in a thread: a browser of the terminal would keep this one
        threading.Thread(target=webbrowser.open, args=(page.address,), daemon=True).start()
    try:
        page.run()
    except KeyboardInterrupt:  # which `cli` makes of a signal
        pass


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    define_flags()
    cli.run(main)
