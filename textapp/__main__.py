"""`python -m textapp COMMAND`."""

from textapp.cli import app

app(prog_name="python -m textapp")
