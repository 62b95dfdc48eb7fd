"""A run's folder: its name, what becomes of it when the run breaks off, and when it is replaced."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from textapp import locks
from textapp.errors import UserError
from textapp.run import WRITING, RunFolder, bytes_on_disk

OTHER = """
import sys
from pathlib import Path
from textapp.run import RunFolder
RunFolder(Path(sys.argv[1]), "imdb", options={"--limit": "9"})
print("begun", flush=True)
sys.stdin.read()
"""


def finish(output, name="imdb", content="new", **options):
    """Write a whole run with one file, and return its folder."""
    run = RunFolder(output, name, **options)
    (run.model("lstm") / "weights").write_text(content)
    return run.finish({"seed": 3})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.fixture
def other(tmp_path):
    """Another process, which writes the run imdb."""
    command = [sys.executable, "-c", OTHER, tmp_path]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    assert process.stdout.readline() == b"begun\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def no_locks(monkeypatch):
    """A disk that has none."""

    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)


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


def test_what_was_broken_off_is_written_anew(tmp_path):
    broken = RunFolder(tmp_path, "imdb")
    (broken.model("lstm") / "half").write_text("x")
    assert names(finish(tmp_path) / "lstm") == ["weights"]
    assert names(tmp_path) == ["imdb"]


@pytest.mark.parametrize("host", ["here", "another", "another container"])
def test_a_run_of_another_process_is_left_alone(tmp_path, other, host):
    """Wherever it runs, and whatever its number is; when it is killed, its folder is free at once."""
    path = tmp_path / "imdb.unfinished" / "process.json"
    owner = json.loads(path.read_text())
    assert owner["process"] == other.pid
    if host != "here":
        owner |= {"process": os.getpid(), "host": host}
        path.write_text(json.dumps(owner | ({"boot": "another"} if host == "another" else {})))
    assert finish(tmp_path).name == "imdb-2"
    assert names(tmp_path) == ["imdb-2", "imdb.unfinished"]
    with pytest.raises(UserError, match=r"another process is writing .*imdb\.unfinished; choose another name with"):
        RunFolder(tmp_path, "imdb", overwrite=True)
    with pytest.raises(UserError, match=r"another process is writing .*; end it first, or leave out --resume"):
        RunFolder(tmp_path, "imdb", options={"--limit": "9"}, resume=True)
    other.kill()
    other.wait()
    assert RunFolder(tmp_path, "imdb", options={"--limit": "9"}, resume=True).finish({}) == tmp_path / "imdb"


def test_without_locks_a_run_of_another_process_is_left_alone(tmp_path, no_locks):
    unfinished = RunFolder(tmp_path, "imdb").folder
    (unfinished / "process.json").write_text(json.dumps({"process": os.getppid()}))
    assert finish(tmp_path).name == "imdb-2"
    assert names(tmp_path) == ["imdb-2", "imdb.unfinished"]
    with pytest.raises(UserError, match=r"another process is writing .*imdb\.unfinished"):
        RunFolder(tmp_path, "imdb", overwrite=True)


def test_without_locks_a_run_of_another_host_is_not_touched(tmp_path, no_locks):
    path = RunFolder(tmp_path, "imdb").folder / "process.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "another"}))
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(
            UserError, match=r"was begun on 'another', and whether .* if it is not, delete .*json, else"
        ):
            RunFolder(tmp_path, "imdb", **options)
    path.unlink()
    assert finish(tmp_path).name == "imdb"


@pytest.mark.parametrize("content", ["", "[]", '{"process": "x"}', '{"process": 4194305}'])
@pytest.mark.parametrize("disk", ["locks", "no_locks"])
def test_a_run_of_nobody_is_written_anew(tmp_path, content, disk, request):
    if disk == "no_locks":
        request.getfixturevalue(disk)
    (RunFolder(tmp_path, "imdb").folder / "process.json").write_text(content)
    assert finish(tmp_path).name == "imdb"


def test_a_number_of_another_start_of_the_machine_is_nobodys(tmp_path, no_locks):
    owner = {"process": os.getppid(), "boot": "an earlier one"}
    (RunFolder(tmp_path, "imdb").folder / "process.json").write_text(json.dumps(owner))
    assert finish(tmp_path).name == "imdb"


def test_a_run_that_goes_on_keeps_what_is_there(tmp_path):
    finish(tmp_path)
    broken = RunFolder(tmp_path, "imdb", options={"--epochs": "4"})
    (broken.model("lstm") / "weights").write_text("x")
    (broken.resumption / "lstm.npz").write_text("x")
    again = RunFolder(tmp_path, "imdb", options={"--epochs": "4"}, resume=True)
    assert names(again.folder) == ["lstm", "process.json", "resumption"]
    assert names(again.resumption) == ["lstm.npz", "options.json"]
    assert again.finish({}) == tmp_path / "imdb-2"
    assert names(tmp_path / "imdb-2") == ["lstm", "run.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_that_broke_off_before_it_got_its_name_goes_on(tmp_path, monkeypatch, overwrite):
    """It has run.json then, and all that it needs to come so far once more."""
    run = RunFolder(tmp_path, "imdb")
    (run.resumption / "lstm.npz").write_text("x")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.finish({"seed": 3})
    again = RunFolder(tmp_path, "imdb", resume=True, overwrite=overwrite)
    assert names(again.folder) == ["process.json", "resumption"]
    assert names(again.resumption) == ["lstm.npz", "options.json"]
    assert names(again.finish({"seed": 3})) == ["run.json"]


def test_what_this_process_writes_is_known_until_it_is_finished(tmp_path):
    run = RunFolder(tmp_path, "imdb")
    assert run.folder.resolve() in WRITING
    run.finish({})
    assert run.folder.resolve() not in WRITING


def test_names_that_are_no_utf8(tmp_path):
    """JSON, as the files of a run have it, cannot hold them."""
    for output, options, message in (
        (tmp_path / "runs", {"--data": "caf\udce9.csv"}, r"--data is 'caf\\udce9.csv', which is no UTF-8; rename the"),
        (tmp_path / "caf\udce9", {}, "--output is .* which is no UTF-8; rename the file or folder"),
    ):
        with pytest.raises(UserError, match=message):
            RunFolder(output, "imdb", options=options)
    assert names(tmp_path) == []


def test_a_run_that_cannot_go_on(tmp_path, no_locks):
    def resume(**options):
        return RunFolder(tmp_path, "imdb", options={"--epochs": "4", "--seed": "0"} | options, resume=True)

    with pytest.raises(UserError, match=r"there is no unfinished run .*imdb\.unfinished to go on with; leave out"):
        resume()
    assert names(tmp_path) == []
    folder = RunFolder(tmp_path, "imdb", options={"--epochs": "4", "--seed": "0", "--limit": "9"}).folder
    with pytest.raises(UserError, match="was begun with --epochs 4, now it is 5; --resume goes on with the same"):
        resume(**{"--epochs": "5", "--seed": "1"})
    with pytest.raises(UserError, match="was begun with --limit 9, now it is not given; --resume goes on with"):
        resume()
    (folder / "process.json").write_text(json.dumps({"process": os.getppid()}))
    with pytest.raises(UserError, match=r"another process is writing .*; end it first, or leave out --resume"):
        resume(**{"--limit": "9"})
    (folder / "process.json").unlink()
    (folder / "resumption" / "options.json").write_text("[]")
    with pytest.raises(UserError, match=r"options\.json is damaged; leave out --resume to begin anew"):
        resume(**{"--limit": "9"})
    (folder / "resumption" / "options.json").unlink()
    with pytest.raises(UserError, match=r"options\.json is missing"):
        resume(**{"--limit": "9"})


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
    run = RunFolder(tmp_path, "imdb")
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.finish({"accuracy": float("nan")})
    assert names(tmp_path) == ["imdb.unfinished"]


def test_bytes_on_disk(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"67")
    assert bytes_on_disk(tmp_path) == 7
