"""Stores for tests: gs:// as fsspec offers it to epath, its objects kept below a local folder.

As in a store there are no folders, but names with slashes in them; no rename; nothing is appended
to; and an object is there when its upload is complete. `install` in a process, or start a program
in it: python tests/bucket.py FOLDER dull_jax.main --workdir=gs://bucket/run …
"""

import io
import os
import pathlib
import runpy
import sys
import threading
import uuid

import fsspec

os.environ["EPATH_USE_TF"] = "0"  # where TensorFlow is installed


class Bucket(fsspec.AbstractFileSystem):
    """The store. `uploads` counts; `breaks_after` so many of them, each further one fails."""

    protocol = ("gs", "gcs")
    cachable = False
    root: pathlib.Path
    uploads = 0
    breaks_after: int | None = None
    counting = threading.Lock()  # several are uploaded at a time

    def info(self, path, **kwargs):
        place, name = self._place(path), self._strip_protocol(path)
        if place.is_file():
            return {"name": name, "size": place.stat().st_size, "type": "file"}
        if any(p.is_file() for p in place.rglob("*")):
            return {"name": name, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def ls(self, path, detail=True, **kwargs):
        if self.info(path)["type"] == "file":
            return [self.info(path)] if detail else [self._strip_protocol(path)]
        names = [f"{self._strip_protocol(path)}/{p.name}" for p in self._place(path).iterdir()]
        found = [self.info(name) for name in sorted(names) if self.exists(name)]
        return found if detail else [one["name"] for one in found]

    def _open(self, path, mode="rb", **kwargs):
        if mode == "rb":
            return self._place(path).open("rb")
        if mode == "wb":
            return _Upload(self._place(path))
        raise NotImplementedError(f"mode {mode} in a store")

    def rm(self, path, recursive=False, maxdepth=None):
        place = self._place(path)
        self.info(path)
        for file in [p for p in place.rglob("*") if p.is_file()] if recursive else [place]:
            file.unlink()

    def mkdir(self, path, create_parents=True, **kwargs):
        pass

    def makedirs(self, path, exist_ok=False):
        pass

    def mv(self, *paths, **kwargs):
        raise NotImplementedError("rename in a store")

    def _place(self, path):
        return self.root / self._strip_protocol(path)


class _Upload(io.BytesIO):
    """As with gcsfs, closing is what writes, also after an error."""

    def __init__(self, place):
        super().__init__()
        self._place = place

    def close(self):
        if not self.closed:
            data = self.getvalue()
            super().close()
            with Bucket.counting:
                if Bucket.breaks_after is not None and Bucket.uploads >= Bucket.breaks_after:
                    raise ConnectionError("the connection is lost")
                Bucket.uploads += 1
            self._place.parent.mkdir(parents=True, exist_ok=True)
            # Outside the store: a process that is killed here leaves no object.
            drafts = Bucket.root.with_name(Bucket.root.name + ".uploads")
            drafts.mkdir(parents=True, exist_ok=True)
            draft = drafts / uuid.uuid4().hex
            draft.write_bytes(data)
            draft.replace(self._place)


def install(root: pathlib.Path) -> None:
    Bucket.root, Bucket.uploads, Bucket.breaks_after = pathlib.Path(root), 0, None
    for name in Bucket.protocol:
        fsspec.register_implementation(name, Bucket, clobber=True)


if __name__ == "__main__":
    install(sys.argv.pop(1))
    sys.path[0] = os.getcwd()
    sys.argv.pop(0)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
