"""No run that failed leaves a file that looks whole (hostile.md 36)."""

import os
import stat
import subprocess
import sys
import textwrap

import pytest

from conversations.interchange.sinks import FileSink, SinkError

pytestmark = pytest.mark.interchange


def test_the_file_is_there_whole_and_not_before(tmp_path):
    path = tmp_path / "export.jsonl"
    with FileSink(path) as sink:
        sink.write(b"one\n")
        sink.write(b"two\n")
        assert not path.exists()
    assert path.read_bytes() == b"one\ntwo\n"
    assert sink.size == 8
    assert os.listdir(tmp_path) == ["export.jsonl"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_a_run_that_fails_leaves_nothing(tmp_path, fault):
    with pytest.raises(fault), FileSink(tmp_path / "export.jsonl") as sink:  # noqa: PT012
        sink.write(b"half of it")
        raise fault
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_there_is_left_alone(tmp_path):
    path = tmp_path / "export.jsonl"
    path.write_text("mine")
    with pytest.raises(SinkError, match="exists"), FileSink(path) as sink:
        sink.write(b"theirs")
    assert (path.read_text(), os.listdir(tmp_path)) == ("mine", ["export.jsonl"])


def test_a_file_that_came_meanwhile_is_left_alone_too(tmp_path):
    path = tmp_path / "export.jsonl"
    with pytest.raises(SinkError, match="exists"), FileSink(path) as sink:  # noqa: PT012
        sink.write(b"theirs")
        path.write_text("mine")
    assert (path.read_text(), os.listdir(tmp_path)) == ("mine", ["export.jsonl"])


def test_overwriting_replaces_it_at_once_or_not_at_all(tmp_path):
    path = tmp_path / "export.jsonl"
    path.write_text("old")
    with pytest.raises(ValueError), FileSink(path, overwrite=True) as sink:  # noqa: PT012
        sink.write(b"new")
        raise ValueError
    assert path.read_text() == "old"
    with FileSink(path, overwrite=True) as sink:
        sink.write(b"new")
    assert path.read_text() == "new"


def test_a_name_as_long_as_the_file_system_takes(tmp_path):
    with FileSink(tmp_path / ("x" * 255)) as sink:
        sink.write(b"x")
    assert os.listdir(tmp_path) == ["x" * 255]


def test_no_folder_is_said_plainly(tmp_path):
    with pytest.raises(SinkError, match="failed: No such file"), FileSink(tmp_path / "none" / "x"):
        raise AssertionError


@pytest.mark.parametrize("size", [10_000, 200_000])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, size):
    """A limit on a file's size is met as a full disk is: in the middle of a write, or only when all is flushed."""
    program = """
        import resource, sys
        from conversations.interchange.sinks import FileSink, SinkError
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
        try:
            with FileSink(sys.argv[1]) as sink:
                for _ in range(int(sys.argv[2]) // 1_000):
                    sink.write(b"x" * 1_000)
        except SinkError as error:
            print(error.reason)
    """
    path = tmp_path / "export.jsonl"
    command = [sys.executable, "-c", textwrap.dedent(program), str(path), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "no_room"
    assert os.listdir(tmp_path) == []
