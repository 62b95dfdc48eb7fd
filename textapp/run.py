"""One run's folder: what lies where, written whole or not at all."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from textapp.config import NOT_GIVEN
from textapp.errors import UserError
from textapp.json_files import read_json, write_json

UNFINISHED = ".unfinished"  # the ending of a folder whose run goes on, or was broken off
REPLACED = ".replaced"  # the ending of a finished run for the moment in which another takes its name
OWNER_FILE = "process.json"
RESUMPTION = "resumption"  # the folder of what an interrupted run goes on from
OPTIONS_FILE = "options.json"


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
            finished run or is being written by another process, or there is nothing to go on with, or nothing that
            was begun so.
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
                if _is_owned(unfinished) and overwrite:
                    raise UserError(f"another process is writing {unfinished}; choose another name with --run")
                if _is_owned(unfinished):
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
            raise UserError(f"another process is writing {unfinished}; end it first, or leave out --resume")
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
        (self.folder / OWNER_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.folder / RESUMPTION, ignore_errors=True)
        (self.folder / "run.json").write_text(content + "\n", encoding="utf-8")
        if self.final.exists():  # only with overwrite
            replaced = self.final.with_name(self.final.name + REPLACED)
            shutil.rmtree(replaced, ignore_errors=True)
            self.final.rename(replaced)
            self.folder.rename(self.final)
            shutil.rmtree(replaced)
        else:
            self.folder.rename(self.final)
        return self.final


def _own(unfinished: Path) -> None:
    """Say that this process writes to the folder."""
    write_json(unfinished / OWNER_FILE, {"process": os.getpid(), "boot": _boot()})


def _boot() -> str | None:
    """Return what tells one start of the machine from another, after which other processes have the numbers."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux
        return None


def _is_owned(unfinished: Path) -> bool:
    """Return whether the process that writes to the folder is still there."""
    try:
        owner = json.loads((unfinished / OWNER_FILE).read_text())
        process = owner["process"]
        if owner.get("boot", _boot()) != _boot():
            return False
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return process != os.getpid()


def bytes_on_disk(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
