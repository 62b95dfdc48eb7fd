"""One run's folder: what lies where, written whole or not at all."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from textapp.config import NOT_GIVEN
from textapp.errors import UserError
from textapp.json_files import read_json, write_json
from textapp.locks import lock

UNFINISHED = ".unfinished"  # the ending of a folder whose run goes on, or was broken off
REPLACED = ".replaced"  # the ending of a finished run for the moment in which another takes its name
OWNER_FILE = "process.json"
RESUMPTION = "resumption"  # the folder of what an interrupted run goes on from
OPTIONS_FILE = "options.json"
# The unfinished folders that this process writes to, each with its open `OWNER_FILE`, locked where there are locks.
WRITING: dict[Path, IO[bytes]] = {}


class RunFolder:
    """A folder that gets its name when everything in it is there.

    Everything is written to `<output>/<name>.unfinished`; `finish` writes run.json and renames the folder.

    Args:
        output: the folder that holds the runs; made where it is missing.
        name: the run's name; a number is appended where a finished run has it already.
        overwrite: take the name all the same; the finished run stays until this one is finished.
        options: what the run hangs on, in words, each by what the user calls it; kept for `resume`.
        resume: go on with an unfinished run that was begun with the same options, instead of beginning anew.

    Raises:
        UserError: the name is no folder name, the folder cannot be written, what `overwrite` would replace is no
            finished run or is being written by another process, there is nothing to go on with, or nothing that was
            begun so, or an option is a file's name that no JSON can hold.
    """

    def __init__(
        self,
        output: Path,
        name: str,
        *,
        overwrite: bool = False,
        options: Mapping[str, str] | None = None,
        resume: bool = False,
    ):
        if not re.fullmatch(r"[\w][\w.+-]{0,99}", name) or name.endswith((UNFINISHED, REPLACED)):
            raise UserError(
                f"the run's name is {name!r}; it takes letters, digits and . _ + - (100 at most, no ending "
                f"{UNFINISHED} or {REPLACED})"
            )
        for option, value in {"--output": str(output), **(options or {})}.items():
            if not _is_text(value):
                raise UserError(f"{option} is {value!r}, which is no UTF-8; rename the file or folder")
        try:
            output.mkdir(parents=True, exist_ok=True)
            claim = self._claim_begun if resume else self._claim_new
            self.name = claim(output, name, overwrite=overwrite, options=options or {})
        except OSError as error:
            raise UserError(
                f"cannot write to {output}: {error.strerror}; choose another folder with --output"
            ) from error
        self.final = output / self.name
        self.folder = output / (self.name + UNFINISHED)

    @staticmethod
    def _claim_new(output: Path, name: str, *, overwrite: bool, options: Mapping[str, str]) -> str:
        """Make the unfinished folder of the first free name and return the name."""
        for number in itertools.count(1):
            candidate = name if number == 1 else f"{name}-{number}"
            final, unfinished = output / candidate, output / (candidate + UNFINISHED)
            if final.exists() and not overwrite:
                continue
            if final.exists() and not (final / "run.json").is_file():
                raise UserError(f"{final} has no run.json, so it is no finished run and is not replaced; move it away")
            if unfinished.exists():
                owned = _is_owned(unfinished)
                if owned and overwrite:
                    raise UserError(f"another process is writing {unfinished}; choose another name with --run")
                if owned:
                    continue
                shutil.rmtree(unfinished)
            unfinished.mkdir()
            _own(unfinished)
            (unfinished / RESUMPTION).mkdir()
            write_json(unfinished / RESUMPTION / OPTIONS_FILE, dict(options))
            return candidate
        raise AssertionError("counting never ends")

    @staticmethod
    def _claim_begun(output: Path, name: str, *, overwrite: bool, options: Mapping[str, str]) -> str:
        """Take over the unfinished folder of the name that a new run would have and return that name."""
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        taken = next(candidate for candidate in names if overwrite or not (output / candidate).exists())
        unfinished = output / (taken + UNFINISHED)
        if not unfinished.is_dir():
            raise UserError(f"there is no unfinished run {unfinished} to go on with; leave out --resume to begin it")
        if _is_owned(unfinished):
            raise _owned(unfinished)
        begun = read_json(unfinished / RESUMPTION / OPTIONS_FILE)
        if not isinstance(begun, dict):
            raise UserError(f"{unfinished / RESUMPTION / OPTIONS_FILE} is damaged; leave out --resume to begin anew")
        for option in [*options, *begun]:
            before, now = begun.get(option, NOT_GIVEN), options.get(option, NOT_GIVEN)
            if before != now:
                raise UserError(
                    f"{unfinished} was begun with {option} {before}, now it is {now}; --resume goes on with the same "
                    "options only, so give those, or leave it out to begin anew"
                )
        _own(unfinished)
        (unfinished / "run.json").unlink(missing_ok=True)  # of a run that ended just before it got its name
        return taken

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
        """Write run.json, give the folder its name and return its path."""
        content = json.dumps(facts, ensure_ascii=False, indent=1, default=str, allow_nan=False)
        with (self.folder / "run.json").open("w", encoding="utf-8") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())  # without it a power cut can leave a run of this name with an empty file
        if self.final.exists():  # only with overwrite
            replaced = self.final.with_name(self.final.name + REPLACED)
            shutil.rmtree(replaced, ignore_errors=True)
            self.final.rename(replaced)
            self.folder.rename(self.final)
            shutil.rmtree(replaced)
        else:
            self.folder.rename(self.final)
        # Not before it has its name: until then it may have to go on from what is there.
        shutil.rmtree(self.final / RESUMPTION, ignore_errors=True)
        _let_go(self.folder)
        (self.final / OWNER_FILE).unlink(missing_ok=True)
        return self.final


def _is_text(value: str) -> bool:
    """Return whether a string holds no bytes of a file's name that are no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _own(unfinished: Path) -> None:
    """Say that this process writes to the folder, in a file that it has locked for as long as it lives."""
    file = (unfinished / OWNER_FILE).open("a+b", buffering=0)
    if lock(file) is False:  # another process was faster
        file.close()
        raise _owned(unfinished)
    owner = {"process": os.getpid(), "boot": _boot(), "host": socket.gethostname()}
    file.truncate(0)
    file.write(json.dumps(owner, indent=1).encode() + b"\n")
    WRITING[unfinished.resolve()] = file


def _let_go(unfinished: Path) -> None:
    """Lift this process's lock on a folder, if it has one."""
    if file := WRITING.pop(unfinished.resolve(), None):
        file.close()


def _owned(unfinished: Path) -> UserError:
    return UserError(f"another process is writing {unfinished}; end it first, or leave out --resume")


def _boot() -> str | None:
    """Return what tells one start of the machine from another, after which other processes have the numbers."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux
        return None


def _is_owned(unfinished: Path) -> bool:
    """Return whether another process that writes to the folder is still there, on this machine or another.

    Raises:
        UserError: another machine began it, and the disk has no locks that would tell.
    """
    _let_go(unfinished)  # what this process has begun before it may begin anew
    path, host = unfinished / OWNER_FILE, socket.gethostname()
    try:
        with path.open("r+b") as file:
            locked = lock(file)
            if locked is not None:
                return not locked
            owner = json.loads(file.read())
        process = owner["process"]
        here = owner.get("host", host) == host
        if here and owner.get("boot", _boot()) != _boot():
            return False
        if here:
            os.kill(process, 0)
    except PermissionError:  # another user's
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if not here:
        raise UserError(
            f"{unfinished} was begun on {owner['host']!r}, and whether it is written there still cannot be seen, since "
            f"this disk has no locks; if it is not, delete {path}, else choose another name with --run"
        )
    return process != os.getpid()


def bytes_on_disk(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
