"""A disk that is full or may not be written, and a folder in which somebody works already."""

import re
import signal
import subprocess
import sys
import time

import processes
import pytest

import runs

pytestmark = pytest.mark.faults
LEAVES = 20  # seconds from the line that says what is wrong to the end of the process


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def ends(process, seconds=150):
    """Our lines, and how long it took from the first of them to the end."""
    said, told = [], None
    for line in process.stdout:
        said.append(line)
        if told is None and re.match(r"(\[\d\] )?dull_jax: ", line):
            told = time.monotonic()
    process.wait(seconds)
    assert process.returncode == 2 and told, "".join(said)
    lines = [line for line in said if "dull_jax: " in line]
    assert "Traceback" not in "".join(said)
    return lines, time.monotonic() - told


@pytest.mark.parametrize("size", [40, 100, 150, 200, 300, 400, 500])
def test_a_full_disk(size, undisturbed, disk, tally):
    """The fuller the sooner: at the description, in the first save, in a later one, at a line."""
    with tally.trial("a full disk") as row:
        folder = disk(f"size={size}k")
        lines, seconds = ends(processes.start(*processes.flags(folder / "run")))
        assert len(lines) == 1 and ("No space left" in lines[0] or "written" in lines[0]), lines
        assert seconds < LEAVES
        row["slowest_end"] = max(row.get("slowest_end", 0), round(seconds, 1))
        had = processes.sealed(folder / "run")
        remount(folder, "size=100m")
        said = processes.end(processes.start(*processes.flags(folder / "run")))
        assert ("continuing after epoch" in said) == bool(had)
        runs.assert_same_run(undisturbed, folder / "run")


@pytest.mark.parametrize("inodes", [3, 6, 9, 13, 18, 25, 35, 60])
def test_a_disk_without_inodes(inodes, undisturbed, disk, tally):
    """Room is left, but no file can be made."""
    with tally.trial("a disk full of inodes") as row:
        folder = disk(f"size=100m,nr_inodes={inodes}")
        lines, seconds = ends(processes.start(*processes.flags(folder / "run")))
        assert len(lines) == 1 and "No space left" in lines[0] and seconds < LEAVES, lines
        row["slowest_end"] = max(row.get("slowest_end", 0), round(seconds, 1))
        remount(folder, "nr_inodes=100000")
        processes.end(processes.start(*processes.flags(folder / "run")))
        runs.assert_same_run(undisturbed, folder / "run")


@pytest.mark.parametrize("blocks", [0, 1, 4, 16, 64])
def test_files_may_not_grow(blocks, undisturbed, tmp_path, tally):
    """`ulimit -f`, in blocks of 1,024 bytes."""
    with tally.trial("files that may not grow (ulimit -f)"):
        words = [sys.executable, "-m", "dull_jax.main", *processes.flags(tmp_path)]
        limited = ["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "-", *words]
        lines, seconds = ends(processes.open_process(limited))
        assert len(lines) == 1 and "File too large" in lines[0] and seconds < LEAVES, lines
        processes.end(processes.start(*processes.flags(tmp_path)))
        runs.assert_same_run(undisturbed, tmp_path)


def test_a_full_disk_under_two_hosts(disk, tally):
    with tally.trial("a full disk under two hosts") as row:
        folder = disk("size=500k")
        words = processes.flags(folder / "run")
        lines, seconds = ends(processes.start_two(*words))
        assert {line[:4] for line in lines} == {"[0] ", "[1] "} and len(lines) == 2
        assert seconds < LEAVES
        row["slowest_end"] = round(seconds, 1)
        remount(folder, "size=100m")
        said = processes.end(processes.start_two(*words))
        assert "continuing after epoch" in said
        assert processes.epochs(folder / "run") == list(range(1, 13))


def test_a_read_only_disk(undisturbed, disk, tally):
    """From the start, and when a run that was killed is to go on."""
    folder = disk("size=100m")
    words = processes.flags(folder / "run")
    with tally.trial("a read-only disk", count=2):
        remount(folder, "ro")
        lines, _ = ends(processes.start(*words))
        assert "cannot be written: Read-only file system" in lines[0]
        remount(folder, "rw")
        process = processes.start(*words)
        processes.reach(process, folder / "run", 4)
        process.kill()
        process.communicate()
        had = processes.sealed(folder / "run")
        remount(folder, "ro")
        lines, _ = ends(processes.start(*words))
        assert "cannot be written: Read-only file system" in lines[0]
        assert processes.sealed(folder / "run") == had
        remount(folder, "rw")
        assert "continuing after epoch" in processes.end(processes.start(*words))
        runs.assert_same_run(undisturbed, folder / "run")


def test_a_workdir_in_use(undisturbed, tmp_path, tally):
    """The second one is refused, the first one notices nothing."""
    words = processes.flags(tmp_path)
    with tally.trial("a workdir in use by another run", count=2):
        first = processes.start(*words)
        processes.reach(first, tmp_path, 1)
        first.send_signal(signal.SIGSTOP)  # it stays at work until the others have been refused
        for start in (processes.start, processes.start_two):
            lines, seconds = ends(start(*words))
            assert all("in use by another run" in line for line in lines) and seconds < LEAVES
        first.send_signal(signal.SIGCONT)
        processes.end(first)
        runs.assert_same_run(undisturbed, tmp_path)
