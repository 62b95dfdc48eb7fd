"""One run's folder: what lies where, written whole or not at all."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from pathlib import Path

from textapp.errors import UserError

UNFINISHED = ".unfinished"  # the ending of a folder whose run goes on, or was broken off
REPLACED = ".replaced"  # the ending of a finished run for the moment in which another takes its name
OWNER_FILE = "process.json"


class RunFolder:
    """A folder that gets its name when everything in it is there.

    Everything is written to `<output>/<name>.unfinished`; `finish` writes run.json and renames the folder.

    Args:
        output: the folder that holds the runs; made where it is missing.
        name: the run's name; a number is appended where a finished run has it already.
        overwrite: take the name all the same; the finished run stays until this one is finished.

    Raises:
        UserError: the name is no folder name, the folder cannot be written, or what `overwrite` would replace is
            no finished run or is being written by another process.
    """

    def __init__(self, output: Path, name: str, *, overwrite: bool = False):
        if not re.fullmatch(r"[\w][\w.+-]{0,99}", name) or name.endswith((UNFINISHED, REPLACED)):
            raise UserError(
                f"the run's name is {name!r}; it takes letters, digits and . _ + - (100 at most, no ending "
                f"{UNFINISHED} or {REPLACED})"
            )
        try:
            output.mkdir(parents=True, exist_ok=True)
            self.name = self._claim(output, name, overwrite=overwrite)
        except OSError as error:
            raise UserError(
                f"cannot write to {output}: {error.strerror}; choose another folder with --output"
            ) from error
        self.final = output / self.name
        self.folder = output / (self.name + UNFINISHED)

    @staticmethod
    def _claim(output: Path, name: str, *, overwrite: bool) -> str:
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
            (unfinished / OWNER_FILE).write_text(json.dumps({"process": os.getpid()}) + "\n")
            return candidate
        raise AssertionError("counting never ends")

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

    def finish(self, facts: dict) -> Path:
        """Write run.json, give the folder its name and return its path."""
        (self.folder / OWNER_FILE).unlink(missing_ok=True)
        content = json.dumps(facts, ensure_ascii=False, indent=1, default=str, allow_nan=False)
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


def _is_owned(unfinished: Path) -> bool:
    """Return whether the process that writes to the folder is still there."""
    try:
        process = json.loads((unfinished / OWNER_FILE).read_text())["process"]
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return process != os.getpid()


def bytes_on_disk(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
