"""One run's folder: what lies where, written whole or not at all, and never lost."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import filelock

from textapp.config import NOT_GIVEN
from textapp.errors import UserError
from textapp.json_files import read_json, write_json

UNFINISHED = ".unfinished"  # the ending of a folder whose run goes on, or was interrupted
REPLACED = ".replaced"  # the ending of a finished run for the moment in which another takes its name
LOCKS = ".locks"  # the folder, beside the runs, of a lock for each name, which lasts as long as the process
RESUMPTION = "resumption"  # the folder of what an interrupted run goes on from
OPTIONS_FILE = "options.json"


class RunFolder:
    """A folder that gets its name when everything in it is there.

    Everything is written to `<output>/<name>.unfinished`; `finish` writes run.json and renames the folder. An
    unfinished run that was begun with the same options is gone on with. Others stay as they are.

    To be used in a `with` statement, at whose end other processes may take the name. Where that ends in an error
    before anything was finished that a run could go on from, the folder is taken away.

    Args:
        output: the folder that holds the runs; made where it is missing.
        name: the run's name; a number is appended where another run, finished or not, has it already.
        overwrite: take the name all the same; the finished run stays until this one is finished.
        restart: begin anew, and delete the unfinished run of the name.
        options: what the run hangs on, in words, each by what the user calls it.
        versions: what must be the same for a run to go on, by name; where it is not, going on is refused.

    Attributes:
        name: that it got.
        final: its folder when it is finished.
        folder: its folder until then.
        note: a sentence on what became of an unfinished run; None without one.

    Raises:
        UserError: the name is no folder name, the folder cannot be written, what `overwrite` would replace is no
            finished run, another process writes the run, or an unfinished run is damaged or was begun with other
            versions.
    """

    def __init__(
        self,
        output: Path,
        name: str,
        *,
        overwrite: bool = False,
        restart: bool = False,
        options: Mapping[str, str] | None = None,
        versions: Mapping[str, str] | None = None,
    ):
        if not re.fullmatch(r"[\w][\w.+-]{0,99}", name) or name.endswith((UNFINISHED, REPLACED)):
            raise UserError(
                f"the run's name is {name!r}; it takes letters, digits and . _ + - (100 at most, no ending "
                f"{UNFINISHED} or {REPLACED})"
            )
        self._output, self._wanted, self._overwrite = output, name, overwrite
        self._options, self._versions = dict(options or {}), dict(versions or {})
        self._lock: filelock.BaseFileLock | None = None
        self.note: str | None = None
        for option, value in {"--output": str(output), **self._options}.items():
            if not _is_text(value):
                raise UserError(f"{option} is {value!r}, which is no UTF-8; rename the file or folder")
        try:
            (output / LOCKS).mkdir(parents=True, exist_ok=True)
            self._claim(restart)
        except OSError as error:
            raise UserError(
                f"cannot write to {output}: {error.strerror or error}; choose another folder with --output"
            ) from error

    @property
    def final(self) -> Path:
        return self._output / self.name

    @property
    def folder(self) -> Path:
        return self._output / (self.name + UNFINISHED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if error is not None and self.folder.is_dir():
            if not self._has_work():
                shutil.rmtree(self.folder, ignore_errors=True)
            else:
                error.add_note(f"What there is of the run is in {self.folder}; the same command goes on with it.")
        self.close()

    def close(self) -> None:
        """Let other processes take the name."""
        if self._lock is not None:
            self._lock.release()

    def model(self, name: str) -> Path:
        """Return the folder of a model; it is there."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def report(self) -> Path:
        """The folder of the report; it is there."""
        folder = self.folder / "report"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def resumption(self) -> Path:
        """The folder of what an interrupted run goes on from; it is there until the run is finished."""
        folder = self.folder / RESUMPTION
        folder.mkdir(exist_ok=True)
        return folder

    def finish(self, facts: dict) -> Path:
        """Write run.json, give the folder its name and return its path.

        Where another run has got the name meanwhile, and it was not to be overwritten, a number is appended.
        """
        content = json.dumps(facts, ensure_ascii=False, indent=1, default=str, allow_nan=False)
        unfinished = self.folder
        with (unfinished / "run.json").open("w", encoding="utf-8") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())  # without it a power cut can leave a run of this name with an empty file
        replaced = self.final.with_name(self.final.name + REPLACED)
        if self._overwrite and self.final.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            self.final.rename(replaced)
        for name in itertools.chain([self.name], self._names()):
            try:
                unfinished.rename(self._output / name)
            except OSError:
                if not (self._output / name).exists():
                    raise
                continue  # a folder that is not empty is never replaced
            self.name = name
            break
        shutil.rmtree(replaced, ignore_errors=True)
        # Not before it has its name: until then it may have to go on from what is there.
        shutil.rmtree(self.final / RESUMPTION, ignore_errors=True)
        self.close()
        return self.final

    def _names(self) -> Iterator[str]:
        return itertools.chain([self._wanted], (f"{self._wanted}-{number}" for number in itertools.count(2)))

    def _claim(self, restart: bool) -> None:
        """Take the first name that is free or whose unfinished run goes on."""
        left = None
        for name in self._names():
            self.name = name
            final, unfinished = self.final, self.folder
            if final.exists() and not self._overwrite:
                continue
            if final.exists() and not (final / "run.json").is_file():
                raise UserError(f"{final} has no run.json, so it is no finished run and is not replaced; move it away")
            if not self._take_lock():
                if self._overwrite or restart:
                    raise UserError(f"another process is writing {unfinished}; choose another name with --run")
                continue
            if final.exists() and not self._overwrite:  # by another process, just now
                self.close()
                continue
            if unfinished.exists() and not restart and (differing := self._differing(unfinished)):
                left = left or f"{unfinished} was begun with {differing} and stays; --restart begins it anew."
                self.close()
                continue
            if unfinished.exists() and restart:
                self.note = f"{unfinished} was deleted."
                shutil.rmtree(unfinished)
            elif unfinished.exists():
                self.note = f"Goes on with {unfinished}; --restart begins anew."
                (unfinished / "run.json").unlink(missing_ok=True)  # of a run that ended just before it got its name
            unfinished.mkdir(exist_ok=True)
            write_json(self.resumption / OPTIONS_FILE, {"options": self._options, "versions": self._versions})
            self.note = self.note or left
            return

    def _take_lock(self) -> bool:
        """Return whether no other process writes the run of this name."""
        lock = filelock.FileLock(self._output / LOCKS / f"{self.name}.lock", blocking=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            return False
        except NotImplementedError:
            raise UserError(
                f"the disk of {self._output} has no locks, without which two processes could write the same run; "
                "choose another folder with --output"
            ) from None
        self._lock = lock
        return True

    def _differing(self, unfinished: Path) -> str | None:
        """Return an option, in words, with which an unfinished run was begun otherwise; None if all are the same.

        Raises:
            UserError: all are the same, but it was begun with other versions, or it is damaged.
        """
        path = unfinished / RESUMPTION / OPTIONS_FILE
        begun = read_json(path) if path.is_file() else {"options": {}, "versions": self._versions}
        try:
            options, versions = dict(begun["options"]), dict(begun["versions"])
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path} is damaged; --restart begins anew, --run NAME begins another run") from None
        for option in [*self._options, *options]:
            before, now = options.get(option, NOT_GIVEN), self._options.get(option, NOT_GIVEN)
            if before != now:
                return f"{option} {before}, now it is {now},"
        for name in [*self._versions, *versions]:
            before, now = versions.get(name, NOT_GIVEN), self._versions.get(name, NOT_GIVEN)
            if before != now:
                raise UserError(
                    f"{unfinished} was begun with {name} {before}, now it is {now}, which would give a run of two "
                    f"versions; go on with {before}, begin anew with --restart, or choose another name with --run"
                )
        return None

    def _has_work(self) -> bool:
        """Return whether there is something that a run can go on from."""
        return any(path.name != OPTIONS_FILE for path in (self.folder / RESUMPTION).glob("*"))


def _is_text(value: str) -> bool:
    """Return whether a string holds no bytes of a file's name that are no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def bytes_on_disk(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
