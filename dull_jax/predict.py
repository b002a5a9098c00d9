"""Names what is on images, with a finished run: predictions of a folder, a list or one image.

python -m dull_jax.predict --run=RUN --input=DIR_or_table_or_image --output=preds.csv
"""

import os
import pathlib
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from absl import flags

from dull_jax import cli, files, inference
from dull_jax.data.own.decode import BadImage
from dull_jax.data.own.image_tree import ImageTree
from dull_jax.data.sources import csv as image_csv
from dull_jax.data.tables import csv_io, table_paths
from dull_jax.data.vectors import formats
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.errors import UserError, reason
from dull_jax.inference import Classifier
from dull_jax.names import shown
from dull_jax.progress import ProgressMeter, duration
from dull_jax.run_dir.overwrite import check_output
from dull_jax.run_dir.read import inputs_of

_FIRST = 100  # images of which one must be there before the run is loaded
_ROOT = "--data_dir"

Say = Callable[[str], None]


class Item(NamedTuple):
    """One image to be named: the id it has in the output, and how it is had."""

    id: str
    source: pathlib.Path | np.ndarray


class Prediction(NamedTuple):
    """An image's `top` (class, probability), best first; or the `error` for which it has none."""

    id: str
    top: tuple[tuple[str, float], ...] = ()
    error: str = ""


def items(source: str | os.PathLike, root: str | os.PathLike = "") -> list[Item]:
    """The images that are meant, in the order of the output.

    A folder: every image below it, sorted; ids are paths below it. A table (.csv, .tsv, .tab,
    .txt): its column `path`; without a header, its first field or whole lines; ids are the paths
    as they stand there. A .npy file: images uint8 [N, H, W, C], or vectors floating [N, D]; ids are
    row numbers. A .npz, .parquet or .safetensors file: vectors with their ids. Anything else is
    one image.

    Args:
      root: where the paths of a table start; "" means the folder of the table.

    Raises:
      UserError: there is no such thing, nothing in it, or the table has no paths; names the row.
    """
    path, suffix = _there("--input", source), pathlib.Path(source).suffix.lower()
    is_table = suffix in (*csv_io.SUFFIXES, ".txt") and not path.is_dir()
    if root and not is_table:
        raise UserError(f"{_ROOT} is for a table's paths, and --input is none")
    if path.is_dir():
        images = _in_folder(path)
    elif is_table:
        images = _in_table(path, _there(_ROOT, root) if root else path.parent)
    elif suffix == ".npy":
        images = _in_array(path)
    elif suffix in (".npz", ".parquet", ".safetensors"):
        images = _vectors(path)
    else:
        images = [Item(str(source), path)]
    if not images:
        raise UserError(f"--input: {shown(str(path))} holds no images")
    return images


def _there(flag: str, named: str | os.PathLike) -> pathlib.Path:
    files.check_local(flag, named)
    path = pathlib.Path(files.on_disk(str(pathlib.Path(named).expanduser())))
    if not path.exists():
        raise UserError(f"{flag}: there is no {shown(str(path))!r}")
    return path


def _in_folder(folder: pathlib.Path) -> list[Item]:
    tree = ImageTree(os.path.abspath(folder))
    names = sorted(tree.images(tree.root))
    for kind, count in sorted(Counter(other.reason for other in tree.problems).items()):
        print(f"passed over: {count:,} x {kind}", file=sys.stderr)
    return [Item(name, pathlib.Path(tree.root, name)) for name in names]


def _in_table(path: pathlib.Path, root: pathlib.Path) -> list[Item]:
    name = shown(str(path))
    text = csv_io.text_of(name, path)
    table = (
        image_csv.headless(name, text)
        or image_csv.lines(text)
        or csv_io.table(name, text, ("path",))
    )
    paths = table_paths.column(name, table, str(root), _ROOT)
    return [
        Item(cell, root / file) for cell, file in zip(table.columns["path"], paths, strict=True)
    ]


def _check_root(wanted: Sequence[Item], source: str | os.PathLike) -> None:
    """Raises UserError where none of the first images is there: paths start elsewhere."""
    first = [item.source for item in wanted[:_FIRST] if isinstance(item.source, pathlib.Path)]
    if first and not any(map(os.path.lexists, first)):
        raise UserError(
            f"{shown(str(source))}: none of its first images is there, {shown(str(first[0]))} to "
            f"begin with; {_ROOT} names the folder where relative paths start"
        )


def _in_array(path: pathlib.Path) -> list[Item]:
    files.check_regular(path)  # of any size: it is mapped
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header fails in many ways; none of them runs code
        raise UserError(f"{shown(str(path))}: not a plain .npy array ({reason(error)})") from None
    if isinstance(images, np.ndarray) and images.dtype.kind == "f" and images.ndim == 2:
        return _vectors(path)
    if not isinstance(images, np.ndarray) or images.ndim != 4 or images.dtype != np.uint8:
        array = isinstance(images, np.ndarray)
        kind = f"these are {images.dtype} {list(images.shape)}" if array else "this is an archive"
        raise UserError(f"{shown(str(path))}: images must be uint8 [N, H, W, C], {kind}")
    if not images.size:
        raise UserError(f"{shown(str(path))}: no images in an array {list(images.shape)}")
    return [Item(str(row), image) for row, image in enumerate(images)]


def _vectors(path: pathlib.Path) -> list[Item]:
    """The plain vectors of a file of embeddings; see `data.vectors.formats` and `VectorFiles`."""
    found = formats.read(path)
    names = found.ids or map(str, range(len(found)))
    blocks = VectorFiles(found.parts).blocks()
    plain = (row[0].astype(np.float32) for block in blocks for row in block)
    return [Item(name, vector) for name, vector in zip(names, plain, strict=True)]


def predictions(
    classifier: Classifier, wanted: Sequence[Item], top_k: int = 5, batch_size: int = 64
) -> Iterator[Prediction]:
    """What is on each image, in order."""
    for batch, images in _decoded(classifier, wanted, batch_size):
        good = [image for image in images if isinstance(image, np.ndarray)]
        probs = iter(classifier.probs(np.stack(good), batch_size, strict=False) if good else ())
        for item, image in zip(batch, images, strict=True):
            if isinstance(image, str):
                yield Prediction(item.id, error=image)
            elif np.isnan(row := next(probs)).any():
                yield Prediction(item.id, error=inference.NOT_FINITE)
            else:
                yield Prediction(item.id, _top(row, classifier.class_names, top_k))


def _decoded(
    classifier: Classifier, wanted: Sequence[Item], batch_size: int
) -> Iterator[tuple[Sequence[Item], list[np.ndarray | str]]]:
    """Batches with their images, or what is wrong with them; threads read one batch ahead."""

    def image(item: Item) -> np.ndarray | str:
        if isinstance(item.source, np.ndarray):
            shape, needed = item.source.shape, classifier.sample.shape
            return np.array(item.source) if shape == needed else f"is {shape}, must be {needed}"
        if classifier.vector_size:
            return f"is an image; this run takes vectors of {classifier.vector_size}"
        try:
            return classifier.read(item.source)
        except BadImage as error:
            return str(error)

    under_way: deque[tuple[Sequence[Item], list[Future[np.ndarray | str]]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(wanted) + batch_size, batch_size):
            batch = wanted[start : start + batch_size]
            under_way.append((batch, [pool.submit(image, item) for item in batch]))
            if len(under_way) == 2:
                batch, images = under_way.popleft()
                yield batch, [image.result() for image in images]


def _top(probs: np.ndarray, names: Sequence[str], k: int) -> tuple[tuple[str, float], ...]:
    best = np.argsort(-probs, kind="stable")[:k]
    return tuple((names[c], float(probs[c])) for c in best)


def predict(
    run: str | os.PathLike,
    source: str | os.PathLike,
    output: str | os.PathLike,
    top_k: int = 5,
    batch_size: int = 64,
    say: Say = print,
    data_dir: str | os.PathLike = "",
) -> list[Prediction]:
    """Predicts everything `source` means (see `items`) and writes the CSV file `output`.

    Broken images and vectors that are not finite are named on stderr and have a row with the
    reason in the column `error`.

    Args:
      data_dir: where the paths of a table start; "" means its folder.

    Raises:
      UserError: no usable run or input, no readable image, an output that cannot be written.
    """
    output, run = files.path_of(output, "--output"), files.path_of(run, "--run")
    source = files.expanded(source, "--input")
    wanted = items(source, data_dir)
    check_output("output", output, (".csv",), [pathlib.Path(source), *inputs_of(run)])
    _check_root(wanted, source)
    classifier = inference.load(run)
    say(str(classifier))
    found = predictions(classifier, wanted, top_k, batch_size)
    predicted = list(_watched(found, len(wanted), batch_size, say))
    broken = [one for one in predicted if one.error]
    if len(broken) == len(predicted):
        first = f"{shown(broken[0].id)}: {broken[0].error}"
        raise UserError(f"none of the {len(predicted):,} images can be read; the first, {first}")
    for one in broken:
        print(f"{shown(one.id)}: {one.error}", file=sys.stderr)
    write(output, predicted)
    say(f"{len(predicted) - len(broken):,} of {len(predicted):,} images predicted: {output}")
    return predicted


def _watched(
    predicted: Iterator[Prediction], total: int, batch_size: int, say: Say
) -> Iterator[Prediction]:
    """Passes on what is predicted, with a line of progress every so often.

    Images come by batches: the first of one took the time of all, so whole batches are counted.
    """
    meter = ProgressMeter(total)
    for count, one in enumerate(predicted, 1):
        yield one
        if count % batch_size:
            continue
        pace = meter.step(count=batch_size)
        if pace and pace.done < total:
            left = duration(pace.left)
            say(f"{pace.done:,} of {total:,} images, {pace.rate:,.0f} images/s, {left} left")


def write(output: files.Path, predicted: Sequence[Prediction]) -> None:
    """Writes id, predicted, probability, predicted_2, probability_2, …, error as CSV.

    Raises:
      UserError: it cannot be written.
    """
    places = max(len(one.top) for one in predicted)
    suffixes = ["", *(f"_{place}" for place in range(2, places + 1))]
    header = [f"{column}{s}" for s in suffixes for column in ("predicted", "probability")]
    rows = []
    for one in predicted:
        cells = [cell for name, p in one.top for cell in (name, f"{p:.6f}")]
        rows.append([one.id, *cells, *[""] * (len(header) - len(cells)), one.error])
    csv_io.write(output, ["id", *header, "error"], rows)


def define_flags() -> None:
    """When the module is run, not when it is imported: commands share names of flags."""
    flags.DEFINE_string("run", None, "The run's folder.")
    flags.DEFINE_string("input", None, "A folder, a table with a column path, an image or a .npy.")
    flags.DEFINE_string("data_dir", None, "Where a table's paths start; else in its own folder.")
    flags.DEFINE_string("output", None, "The CSV file to write.")
    flags.DEFINE_integer("top_k", 5, "Classes named for each image.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 64, "Images on the device at a time.", lower_bound=1)


def main(argv: Sequence[str]) -> None:
    cli.check_flags_only(argv, "predict")
    run, output = (cli.needed_path(name, "predict") for name in ("run", "output"))
    source = cli.needed_path("input", "predict", local=True)
    root = cli.path_flag("data_dir", local=True) or ""
    predict(run, source, output, flags.FLAGS.top_k, flags.FLAGS.batch_size, data_dir=root)


if __name__ == "__main__":
    define_flags()
    cli.run(main)
