"""Every test runs on the CPU, and compiled programs are kept between runs."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

# A shell's background job ignores Ctrl-C and `nohup` a hangup, and children inherit that; what is
# handled, if only by doing nothing, they heed as under a terminal.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

os.environ.setdefault("JAX_PLATFORMS", "cpu")
cache = pathlib.Path(tempfile.gettempdir()) / f"dull_jax_test_cache_{os.getuid()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
os.environ["XDG_CACHE_HOME"] = str(cache / "xdg")  # what scans of image folders remember
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.03")
# Half of the suite is compilation, and passes that make programs fast are half of that.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


import jax  # noqa: E402
import pytest  # noqa: E402

if jax.__version_info__ < (0, 11):  # another jaxlib may not know these flags, and would abort
    fast = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {fast}"  # two thirds of the time

from toy import make_source  # noqa: E402

ONE_STEP = ("ce", "la", "ldam_drw", "elr", "dividemix")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items):
    """What shares module fixtures shares a worker: a file, or one method of the shared tests.

    Of these, most methods are only seen to learn from vectors, and few to take a hundred classes;
    those whose step is another's, or that several hosts train, need not go to two devices; the
    rest of what they owe takes long.
    """
    for item in items:
        chosen = item.callspec.params if hasattr(item, "callspec") else {}
        shared = item.path.name == "test_every_method.py" and chosen.get("method")
        item.add_marker(pytest.mark.xdist_group(shared or item.path.name))
        kept = item.name.startswith("test_learns") or shared == "dull"
        if shared not in ("dull", "dasc") and "-K100]" in item.name:
            item.add_marker(pytest.mark.benchmark)
        if shared in ONE_STEP and item.name.startswith("test_two_devices"):
            item.add_marker(pytest.mark.benchmark)
        if shared and chosen.get("samples") == "vectors" and not kept:
            item.add_marker(pytest.mark.benchmark)


@pytest.fixture(scope="module", autouse=True)
def programs_end_with_their_file():
    """A process that keeps a thousand compiled programs runs out of memory maps and crashes."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def browser():
    """Chromium, one for all tests of a process: playwright runs one loop in each."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = "chromium", "chromium-browser", "google-chrome"
    chromium = next(filter(None, map(shutil.which, names)), None)
    if not chromium:
        pytest.skip("there is no Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def small_recipe():
    """The digits recipe, shrunk in place: `small_recipe(method, epochs=4, …)`; seconds to train."""
    from configs import digits_t2h

    def make(method="ce", **fields):
        config = digits_t2h.get_config(f"method={method}")
        config.compare = ()
        config.model.width = 8
        config.train.epochs, config.train.batch_size = 4, 64
        config.train.eval_every = config.train.checkpoint_every = 2
        config.train.view = "weak"  # the strong one takes seconds to compile
        config.dull.warmup = 0.5
        config.dull.transition = "free"  # the search for a structure takes seconds to compile
        config.update_from_flattened_dict(fields)
        return config

    return make


@pytest.fixture
def toy_source(monkeypatch):
    """Makes every recipe train on a toy data set with these class counts: `toy_source([9, 3])`."""
    from dull_jax.data import sources

    def install(counts, **options):
        source = make_source(counts, **options)
        monkeypatch.setattr(sources, "load", lambda *args, **options: source)
        return source

    return install


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a small file system; skips without the right to."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        what = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(what, capture_output=True).returncode:
            pytest.skip("may not mount")
        return folder

    yield mount
    while not subprocess.run(["umount", str(folder)], capture_output=True).returncode:
        pass
