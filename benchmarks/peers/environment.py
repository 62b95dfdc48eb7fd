"""The peers' own environment."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).parent


def python_of_peers(environment: Path) -> str:
    """Return the path of the Python that has the peers; what is missing is made and installed.

    Args:
        environment: the virtual environment's folder.

    Raises:
        SystemExit: they cannot be installed.
    """
    python = environment.absolute() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"making {environment}", file=sys.stderr)
        venv.create(environment, with_pip=True)
    requirements = FOLDER / "requirements.txt"
    # Where every version is there already, pip sees so in a second and asks nobody.
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"cannot install {requirements} into {environment}; make room and a network, or name another folder")
    return str(python)
