"""Opens a page on which a person decides about the labels that an audit suspects.

python -m dull_jax.review --run=runs/mine --open
python -m dull_jax.review --audit=audit --decisions=mine.csv
"""

import shlex
import socket
import threading
import webbrowser
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags

from dull_jax import cli
from dull_jax.audit import saved
from dull_jax.errors import UserError
from dull_jax.review import access, pictures
from dull_jax.review.session import Session
from dull_jax.run_dir import layout, overwrite

_GRACE = 3  # seconds that a picture under way may take when the server ends


def define_flags() -> None:
    """When the module is run, not when it is imported: commands share names of flags."""
    flags.DEFINE_string("run", None, "The folder of a run: the audit in it is reviewed.")
    flags.DEFINE_string("audit", None, "Instead of a run: the folder of an audit.")
    flags.DEFINE_string(
        "decisions", None, "The .csv file that decisions are added to; AUDIT/decisions.csv without."
    )
    flags.DEFINE_bool("open", False, "Opens the page in the browser.")
    flags.DEFINE_integer("port", 0, "Where the page is served; 0: any that is free.", 0, 65535)
    flags.DEFINE_string(
        "host", "127.0.0.1", "The address to listen at; another than this opens it to the network."
    )


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}; see python -m dull_jax.review --help")
    run, audit, decided = (
        cli.path_flag(name, local=True) for name in ("run", "audit", "decisions")
    )
    if bool(run) == bool(audit):
        raise UserError("give --run or --audit; see python -m dull_jax.review --help")
    folder = audit or run / layout.AUDIT
    path = decided or folder / layout.DECISIONS
    overwrite.check_output("decisions", path, (".csv",))
    session = Session(saved.read(folder), path)
    for note in session.state().notes:
        say(note)
    _serve(listening(session, str(folder), flags.FLAGS.host, flags.FLAGS.port))
    if count := len(session.state().history):
        audited = f"--run={shlex.quote(str(run))}" if run else "…"
        say(f"\n{path} has {count:,} decisions, from which the next audit learns:")
        say(f"python -m dull_jax.audit {audited} --decisions={shlex.quote(str(path))}")


def _serve(page: "Page") -> None:
    """Until a signal ends it."""
    say(f"review: {page.address}\ndecisions: {page.session.path}\nCtrl-C ends it; nothing is lost")
    threading.Thread(target=pictures.forget_old, daemon=True).start()
    if flags.FLAGS.open:  # in a thread: a browser of the terminal would keep this one
        threading.Thread(target=webbrowser.open, args=(page.address,), daemon=True).start()
    try:
        page.run()
    except KeyboardInterrupt:  # which `cli` makes of a signal
        pass


class Page(NamedTuple):
    """A server that listens; browsers wait until it is run."""

    session: Session
    address: str
    server: Any  # uvicorn.Server; it ends where its `should_exit` is set
    socket: socket.socket

    def run(self) -> None:
        self.server.run(sockets=[self.socket])


def listening(session: Session, name: str, host: str = "127.0.0.1", port: int = 0) -> Page:
    """A server of the review.

    Args:
      name: of the audit, for the page.
      port: 0: one that is free.

    Raises:
      UserError: the port or address cannot be had, or what serves it is not installed.
    """
    try:
        import uvicorn

        from dull_jax.review import app
    except ImportError as error:
        if (error.name or "").startswith("dull_jax"):
            raise
        raise UserError(
            f'the review needs {error.name}; run: pip install "dull_jax[review]"'
        ) from None
    server = _socket(host, port)
    port, token = server.getsockname()[1], access.new_token()
    config = uvicorn.Config(
        access.Guarded(app.create(session, name), token, access.hosts(host, port)),
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return Page(session, f"http://{_named(host)}:{port}/{token}/", uvicorn.Server(config), server)


def _socket(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"--host={host} --port={port}: cannot listen there ({why})") from None


def _named(host: str) -> str:
    """As an address has it."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    define_flags()
    cli.run(main)
