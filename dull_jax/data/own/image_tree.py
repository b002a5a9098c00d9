"""The images below a folder, whatever else lies there."""

import dataclasses
import os
from collections.abc import Iterable, Iterator

from dull_jax.data.own import decode
from dull_jax.data.own.image_index import SUFFIXES, Problem, names_image
from dull_jax.names import shown
from dull_jax.run_dir import layout

# Thumbnails, bins and settings that file servers, Windows and macOS leave in folders.
_LEFTOVERS = frozenset(
    "@eadir @tmp @synoresource @recycle @recently-snapshot @sharebin @__thumb #recycle #snapshot "
    "~snapshot $recycle.bin found.000 found.001 found.002 @transcoded @sharesnap __pycache__ "
    "lost+found lost.dir __macosx thumbs.db ehthumbs.db "
    "ehthumbs_vista.db desktop.ini icon\r".split(" ")
) | {"system volume information", "network trash folder", "temporary items"}
_EXACTLY = frozenset(("RECYCLER",))  # a class may be called recycler
_TOLD = 5  # names of leftovers


@dataclasses.dataclass(frozen=True)
class ImageTree:
    """The folders and images below `root`, read where they are asked for.

    problems: takes files and folders that are left out on the way.
    leftovers: takes the paths of leftovers, which are ignored.
    ours: takes those of runs and audits, which are ignored too.
    """

    root: str
    problems: list[Problem] = dataclasses.field(default_factory=list)
    leftovers: set[str] = dataclasses.field(default_factory=set)
    ours: set[str] = dataclasses.field(default_factory=set)

    def images(self, folder: str, seen: Iterable[tuple[int, int]] = ()) -> Iterator[str]:
        """Paths of the images below `folder`, relative to the root.

        Args:
          seen: identities of folders that are not entered again.
        """
        todo, seen = [folder], set(seen)
        while todo:
            here = todo.pop()
            try:
                if (known := identity(here)) in seen:
                    self.left_out(here, "a link to a folder already read")
                    continue
                seen.add(known)
                entries = self.visible(here)
            except OSError as error:
                self.left_out(here, f"unreadable: {error.strerror}")
                continue
            for entry in entries:
                if is_folder(entry):
                    todo.append(entry.path)
                elif reason := why_no_image(entry):
                    self.left_out(entry.path, reason)
                else:
                    yield self._relative(entry.path)

    def folders(self, folder: str) -> dict[str, str]:
        """Name -> path, of the folders in `folder`. Raises OSError where it cannot be read."""
        return {entry.name: entry.path for entry in self.visible(folder) if is_folder(entry)}

    def inner(self, folder: str) -> dict[str, str]:
        """As `folders`; {} where it cannot be read."""
        try:
            return self.folders(folder)
        except OSError:
            return {}

    def visible(self, folder: str) -> list[os.DirEntry]:
        """What is neither hidden nor a leftover, nor a folder of our outputs alone, sorted."""
        with os.scandir(folder) as everything:
            entries = [entry for entry in everything if not _is_hidden(entry.name)]
        self.leftovers.update(entry.path for entry in entries if _is_leftover(entry.name))
        self.ours.update(entry.path for entry in entries if _is_ours(entry))
        ignored = self.leftovers | self.ours
        kept = (entry for entry in entries if entry.path not in ignored)
        return sorted(kept, key=lambda entry: entry.name)

    def left_out(self, path: str, reason: str, label: str = "", split: str = "") -> None:
        """Notes a problem with an absolute path."""
        self.problems.append(Problem(self._relative(path), reason, label, split))

    def notices(self) -> list[str]:
        """A line about what was ignored of each kind."""
        kinds = {
            "{} leftover{} of a NAS, Windows or macOS": self.leftovers,
            "{} folder{} of a run or an audit": self.ours,
        }
        return [_ignored(kind, paths) for kind, paths in kinds.items() if paths]

    def _relative(self, path: str) -> str:
        return path.removeprefix(self.root).lstrip(os.sep).replace(os.sep, "/")


def _ignored(kind: str, paths: set[str]) -> str:
    names = sorted({shown(os.path.basename(path)) for path in paths})
    told = ", ".join(names[:_TOLD] + ["…"] * (len(names) > _TOLD))
    return f"ignored: {kind.format(f'{len(paths):,}', 's' * (len(paths) > 1))} ({told})"


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is passed over."""
    return _is_hidden(name) or _is_leftover(name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _is_leftover(name: str) -> bool:
    return name.lower() in _LEFTOVERS or name in _EXACTLY


def _is_ours(entry: os.DirEntry) -> bool:
    """Whether it is a folder of a run or an audit with nothing of the user's images in it."""
    if not is_folder(entry) or not layout.has_no_other_folders(entry.path):
        return False
    return not any(map(names_image, os.listdir(entry.path)))


def is_folder(entry: os.DirEntry) -> bool:
    """Whether it is one, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def why_no_image(entry: os.DirEntry) -> str:
    """Why this entry, no folder, cannot be an image; '' when it may be one."""
    suffix = os.path.splitext(entry.name)[1]
    if suffix.lower() not in SUFFIXES:
        return f"not an image file ({shown(suffix) or 'no extension'})"
    if lacking := decode.lacking(suffix):
        return f"a {suffix} file: {lacking}"
    try:
        if entry.is_file():
            return ""
        return "a link to nothing" if entry.is_symlink() else "not a regular file"
    except OSError as error:
        return f"unreadable: {error.strerror}"


def identity(folder: str) -> tuple[int, int]:
    """The same for two names of one folder."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino
