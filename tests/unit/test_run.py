"""A run's folder: its name, what becomes of it when the run breaks off, and when it is replaced."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from textapp.errors import UserError
from textapp.run import LOCKS, RunFolder, bytes_on_disk

OTHER = """
import sys
from pathlib import Path
from textapp.run import RunFolder
run = RunFolder(Path(sys.argv[1]), "imdb", options={"--limit": "9"})
print("begun", flush=True)
sys.stdin.read()
"""


def finish(output, name="imdb", content="new", **options):
    """Write a whole run with one file, and return its folder."""
    with RunFolder(output, name, **options) as run:
        (run.model("lstm") / "weights").write_text(content)
        return run.finish({"seed": 3})


def leave(output, name="imdb", **options):
    """Leave a run that has finished one model, as a process that is killed does; return its folder."""
    with RunFolder(output, name, **options) as run:
        (run.model("lstm") / "weights").write_text("half")
        (run.resumption / "lstm.npz").write_text("x")
        return run.folder


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != LOCKS)


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.fixture
def other(tmp_path):
    """Another process, which writes the run imdb."""
    command = [sys.executable, "-c", OTHER, tmp_path]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout.readline() == b"begun\n"
    yield process
    process.kill()
    process.communicate()


def test_a_run_gets_its_name_when_it_is_finished(tmp_path):
    output = tmp_path / "new" / "saved_models"
    run = RunFolder(output, "imdb")
    assert names(output) == ["imdb.unfinished"]
    assert run.model("lstm").is_dir()
    assert run.report.is_dir()
    assert run.finish({"seed": 3, "path": output}) == output / "imdb"
    assert names(output) == ["imdb"]
    assert names(output / "imdb") == ["lstm", "report", "run.json"]
    assert json.loads((output / "imdb" / "run.json").read_text()) == {"seed": 3, "path": str(output)}


def test_a_number_is_appended_where_the_name_is_taken(tmp_path):
    assert [finish(tmp_path).name for _ in range(3)] == ["imdb", "imdb-2", "imdb-3"]


def test_a_run_of_another_process_is_left_alone(tmp_path, other):
    """When it is killed its run stays, and the same command goes on with it."""
    assert finish(tmp_path).name == "imdb-2"
    assert names(tmp_path) == ["imdb-2", "imdb.unfinished"]
    for options in ({"overwrite": True}, {"restart": True}):
        with pytest.raises(UserError, match=r"another process is writing .*imdb\.unfinished; choose another name with"):
            RunFolder(tmp_path, "imdb", **options)
    other.kill()
    other.wait()
    with RunFolder(tmp_path, "imdb", options={"--limit": "9"}) as run:
        assert run.note == f"Goes on with {run.folder}; --restart begins anew."
        assert run.finish({}) == tmp_path / "imdb"


def test_two_starts_at_once_get_two_names(tmp_path):
    started, found = threading.Barrier(8), []

    def start():
        started.wait()
        found.append(RunFolder(tmp_path, "imdb"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.name for run in found) == ["imdb", *(f"imdb-{number}" for number in range(2, 9))]
    assert sorted(run.finish({}).name for run in found) == sorted(run.name for run in found)


def test_a_disk_without_locks(tmp_path, monkeypatch):
    def acquire(self):
        raise NotImplementedError("FileSystem does not appear to support flock; use SoftFileLock instead")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(UserError, match=r"the disk of .* has no locks, .*; choose another folder with --output"):
        RunFolder(tmp_path, "imdb")


def test_the_same_command_goes_on(tmp_path):
    finish(tmp_path)
    left = leave(tmp_path, options={"--epochs": "4"})
    with RunFolder(tmp_path, "imdb", options={"--epochs": "4"}) as again:
        assert again.folder == left
        assert again.note == f"Goes on with {left}; --restart begins anew."
        assert names(again.folder) == ["lstm", "resumption"]
        assert names(again.resumption) == ["lstm.npz", "options.json"]
        assert again.finish({}) == tmp_path / "imdb-2"
    assert names(tmp_path / "imdb-2") == ["lstm", "run.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_options_get_a_name_of_their_own(tmp_path, overwrite):
    left = leave(tmp_path, options={"--epochs": "4", "--seed": "0"})
    with RunFolder(tmp_path, "imdb", options={"--epochs": "5", "--seed": "1"}, overwrite=overwrite) as run:
        assert run.folder.name == "imdb-2.unfinished"
        assert run.note == f"{left} was begun with --epochs 4, now it is 5, and stays; --restart begins it anew."
    with RunFolder(tmp_path, "imdb", options={"--epochs": "4"}) as run:
        assert "was begun with --seed 0, now it is not given, and stays" in run.note
    assert (left / "lstm" / "weights").read_text() == "half"


def test_restart_begins_anew(tmp_path):
    left = leave(tmp_path, options={"--epochs": "4"})
    with RunFolder(tmp_path, "imdb", options={"--epochs": "5"}, restart=True) as run:
        assert run.note == f"{left} was deleted."
        assert names(run.folder) == ["resumption"]
        assert names(run.resumption) == ["options.json"]
    assert finish(tmp_path, restart=True).name == "imdb"  # where there is nothing to delete


@pytest.mark.parametrize(
    ("now", "message"), [({"keras": "3.16", "jax": "1"}, "3.15, now it is 3.16"), ({}, "3.15, now")]
)
def test_a_run_of_other_versions_does_not_go_on(tmp_path, now, message):
    left = leave(tmp_path, versions={"keras": "3.15", "jax": "1"})
    with pytest.raises(UserError, match=rf"unfinished was begun with keras {message}.*--restart, or choose another"):
        RunFolder(tmp_path, "imdb", versions=now)
    assert (left / "lstm" / "weights").read_text() == "half"
    assert finish(tmp_path, versions=now, restart=True).name == "imdb"


@pytest.mark.parametrize("content", ["[]", "{}", '{"options": 3, "versions": {}}', "", '{"options": {}}'])
def test_damaged_options_of_an_unfinished_run(tmp_path, content):
    left = leave(tmp_path)
    (left / "resumption" / "options.json").write_text(content)
    with pytest.raises(UserError, match=r"options\.json is damaged"):
        RunFolder(tmp_path, "imdb")
    assert names(left / "lstm") == ["weights"]
    assert finish(tmp_path, restart=True).name == "imdb"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("work", [False, True])
def test_what_an_error_leaves(tmp_path, error, work):
    """What can be gone on from; nothing else."""

    def fail():
        with RunFolder(tmp_path, "imdb") as run:
            (run.model("lstm") / "half").write_text("x")
            if work:
                (run.resumption / "lstm.checkpoint").write_text("x")
            raise error

    with pytest.raises(error) as raised:
        fail()
    assert names(tmp_path) == (["imdb.unfinished"] if work else [])
    notes = getattr(raised.value, "__notes__", [])
    told = f"What there is of the run is in {tmp_path / 'imdb.unfinished'}; the same command goes on with it."
    assert notes == ([told] if work else [])


def test_a_run_that_appears_meanwhile_is_not_replaced(tmp_path):
    run = RunFolder(tmp_path, "imdb")
    shutil.copytree(run.folder, tmp_path / "imdb")
    (tmp_path / "imdb" / "precious").touch()
    assert run.finish({}) == tmp_path / "imdb-2"
    assert names(tmp_path / "imdb") == ["precious", "resumption"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_that_broke_off_before_it_got_its_name_goes_on(tmp_path, monkeypatch, overwrite):
    """It has run.json then, and all that it needs to come so far once more."""
    with RunFolder(tmp_path, "imdb") as run:
        (run.resumption / "lstm.npz").write_text("x")
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run.finish({"seed": 3})
    with RunFolder(tmp_path, "imdb", overwrite=overwrite) as again:
        assert names(again.folder) == ["resumption"]
        assert names(again.resumption) == ["lstm.npz", "options.json"]
        assert names(again.finish({"seed": 3})) == ["run.json"]


def test_names_that_are_no_utf8(tmp_path):
    """JSON, as the files of a run have it, cannot hold them."""
    for output, options, message in (
        (tmp_path / "runs", {"--data": "caf\udce9.csv"}, r"--data is 'caf\\udce9.csv', which is no UTF-8; rename the"),
        (tmp_path / "caf\udce9", {}, "--output is .* which is no UTF-8; rename the file or folder"),
    ):
        with pytest.raises(UserError, match=message):
            RunFolder(output, "imdb", options=options)
    assert names(tmp_path) == []


def test_overwrite_replaces_the_whole_run_when_the_new_one_is_finished(tmp_path):
    old = finish(tmp_path, content="old")
    (old / "only in the old one").touch()
    run = RunFolder(tmp_path, "imdb", overwrite=True)
    (run.model("lstm") / "weights").write_text("new")
    assert (old / "lstm" / "weights").read_text() == "old"
    assert run.finish({}) == old
    assert names(tmp_path) == ["imdb"]
    assert names(old) == ["lstm", "run.json"]
    assert (old / "lstm" / "weights").read_text() == "new"


def test_overwrite_of_a_free_name(tmp_path):
    assert finish(tmp_path, overwrite=True).name == "imdb"


def test_overwrite_replaces_no_folder_that_is_no_run(tmp_path):
    """`--output . --run textapp --overwrite` must not delete the program."""
    (tmp_path / "imdb").mkdir()
    (tmp_path / "imdb" / "precious").touch()
    with pytest.raises(UserError, match=r"imdb has no run\.json, so it is no finished run and is not replaced"):
        RunFolder(tmp_path, "imdb", overwrite=True)
    assert names(tmp_path) == ["imdb"]
    assert finish(tmp_path).name == "imdb-2"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", ".hidden", "-x", "a b", "a\n", "x" * 101, "a.unfinished", "a.replaced"]
)
def test_names_that_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"the run's name is .*; it takes letters, digits"):
        RunFolder(tmp_path / "output", name)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["imdb", "7", "Filme_é-2.1+x", "x" * 100])
def test_names_that_are_taken(tmp_path, name):
    assert finish(tmp_path, name).name == name


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "runs", "/proc/textapp"):
        with pytest.raises(UserError, match=r"cannot write to .*; choose another folder with --output"):
            RunFolder(tmp_path.__class__(output), "imdb")


def test_facts_that_are_no_json_leave_no_finished_run(tmp_path):
    with RunFolder(tmp_path, "imdb") as run, pytest.raises(ValueError, match="not JSON compliant"):
        run.finish({"accuracy": float("nan")})
    assert names(tmp_path) == ["imdb.unfinished"]
    assert not (run.folder / "run.json").exists()


def test_bytes_on_disk(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"67")
    assert bytes_on_disk(tmp_path) == 7
