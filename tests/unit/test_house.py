"""Who may import TensorFlow; import-linter sees to the rest, see pyproject.toml."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "textapp"
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(node.module)
    return found


def test_tensorflow_is_imported_in_export_and_where_it_is_the_backend():
    importing = {path for path in FILES if any(name.startswith("tensorflow") for name in imported(path))}
    elsewhere = {path.name for path in importing if path.parent.name != "export"}
    assert elsewhere == {"tensorflow_lstm.py", "tensorflow_adam.py"}
    # Which are imported inside functions that run only where TensorFlow is the backend.
    for module, user in (("models.tensorflow_lstm", "lstm_layer.py"), ("training.tensorflow_adam", "adam.py")):
        assert {path.name for path in FILES if f"textapp.{module}" in imported(path)} == {user}


def test_what_the_program_uses_of_export_imports_no_tensorflow():
    for name in ("__init__", "process", "parity"):
        assert not {m for m in imported(PACKAGE / "export" / f"{name}.py") if m.startswith("tensorflow")}


def test_what_a_savedmodel_is_asked_with_imports_nothing_of_ours():
    assert not {name for name in imported(PACKAGE / "export" / "ask.py") if name.startswith("textapp")}
