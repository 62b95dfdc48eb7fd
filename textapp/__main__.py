"""`python -m textapp COMMAND`."""

from textapp.environment import require_environment

require_environment()

from textapp.cli import app  # noqa: E402

app(prog_name="python -m textapp")
