"""Checkpoints of a run in a store: a copy at hand, where Orbax writes and reads.

Orbax ends a step by renaming its folder, which a store does not have. So Orbax works in a local
folder; a step that is complete there is uploaded file by file, and its list of digests last. What
was cut off in between has no such list, and is no checkpoint.
"""

import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from etils import epath

from dull_jax.errors import UserError
from dull_jax.files import Path, is_remote, reaching, whole
from dull_jax.run_dir import layout


class RemoteCheckpoints:
    """The local folder of one process's run, laid out as the workdir; it goes with `close`."""

    def __init__(self, workdir: epath.Path):
        self._temporary = tempfile.TemporaryDirectory(
            prefix="dull_jax_", ignore_cleanup_errors=True
        )
        self.local, self._remote = pathlib.Path(self._temporary.name), workdir

    def close(self) -> None:
        self._temporary.cleanup()

    def steps(self) -> list[int]:
        """The steps in the store, complete or not, newest first. Raises UserError."""
        return steps_in(self._remote / layout.CHECKPOINTS)

    def fetch(self, step: int) -> None:
        """Downloads a step with its digests, as far as it is there; one without them is not.

        Raises:
          UserError: the store cannot be reached.
        """
        seal, folder = _places(self.local, step)
        remote_seal, remote_folder = _places(self._remote, step)
        seal.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        _download((remote_seal, seal))
        if seal.exists():
            _each(_download, [(source, folder / name) for name, source in _files(remote_folder)])

    def publish(self, step: int, keep: int) -> None:
        """Uploads a step, then its digests; then removes all but the newest `keep` steps.

        Raises:
          UserError: the store cannot be reached; what is there of this step has no digests.
        """
        self.drop(step)  # what a save that was cut off has left under this number
        seal, folder = _places(self.local, step)
        remote_seal, remote_folder = _places(self._remote, step)
        _each(_upload, [(source, remote_folder / name) for name, source in _files(folder)])
        _upload((seal, remote_seal))
        for old in self.steps()[keep:]:
            self.drop(old)

    def drop(self, step: int) -> None:
        """Removes a step from the store, its digests first. Raises UserError."""
        seal, folder = _places(self._remote, step)
        with reaching(seal):
            seal.unlink(missing_ok=True)
            folder.rmtree(missing_ok=True)


@contextmanager
def at_hand(workdir: Path, step: int) -> Iterator[pathlib.Path]:
    """A local folder with this checkpoint of a run and its digests: the run's own, or a copy.

    Raises:
      UserError: the store cannot be reached.
    """
    if not is_remote(workdir):
        yield workdir
        return
    remote = RemoteCheckpoints(workdir)
    try:
        remote.fetch(step)
        yield remote.local
    finally:
        remote.close()


def steps_in(folder: Path, suffix: str = "") -> list[int]:
    """The numbers among the names in a folder, largest first; none where it is not there.

    Raises:
      UserError: it cannot be read.
    """
    try:
        with reaching(folder):
            names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from None
    numbers = (re.fullmatch(f"([0-9]{{1,18}}){re.escape(suffix)}", name) for name in names)
    return sorted((int(match[1]) for match in numbers if match), reverse=True)


def _places(workdir: Path, step: int) -> tuple[Path, Path]:
    return layout.step_digests(workdir, step), layout.step_folder(workdir, step)


def _files(folder: Path) -> list[tuple[str, Path]]:
    """(path below the folder, path) of every file; epath has no `rglob`."""
    with reaching(folder), suppress(FileNotFoundError):
        listed = []
        for path in folder.iterdir():
            if path != folder and path.is_dir():  # some stores list the folder in itself
                listed += [(f"{path.name}/{name}", file) for name, file in _files(path)]
            elif path != folder:
                listed.append((path.name, path))
        return listed
    return []


def _download(pair: tuple[epath.Path, pathlib.Path]) -> None:
    """The first to the second; nothing where it is not there (any more)."""
    source, target = pair
    with reaching(source), suppress(FileNotFoundError):
        data = source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _upload(pair: tuple[pathlib.Path, epath.Path]) -> None:
    source, target = pair
    with whole(target) as file:
        file.write(source.read_bytes())


def _each(function: Callable[[tuple[Path, Path]], None], pairs: list[tuple[Path, Path]]) -> None:
    """A request takes as long as many bytes: several at a time. The first error is raised."""
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(function, pairs):
            pass
