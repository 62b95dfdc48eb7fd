"""Generators held against what they must reach: `python -m benchmarks.generation imdb|control|shakespeare|wikitext`."""

from __future__ import annotations

import argparse
import sys

from benchmarks.generation import control, imdb, shakespeare, wikitext
from benchmarks.results_file import command_line, table_lines, write_table

RECIPES = {"imdb": imdb, "control": control, "shakespeare": shakespeare, "wikitext": wikitext}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="recipe", required=True)
    for name, recipe in RECIPES.items():
        command = commands.add_parser(name, description=recipe.__doc__)
        command.add_argument("--table", default=name, help="the result's file is generation_TABLE.md")
        recipe.add_options(command)
    chosen = parser.parse_args()
    title, header, rows, missed = RECIPES[chosen.recipe].run(chosen)
    if getattr(chosen, "choose", False):  # no result, but what the recipe hangs on
        print("\n".join(table_lines(header, rows)))
        return 0
    samples = getattr(RECIPES[chosen.recipe], "samples", None)
    written = samples(chosen) if samples else []
    write_table(
        f"generation_{chosen.table}",
        title,
        command_line("benchmarks.generation"),
        header,
        rows,
        notes=[*(f"Not reached: {miss}." for miss in missed), *written],
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
