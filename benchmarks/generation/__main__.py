"""Generators held against what they must reach: `python -m benchmarks.generation imdb|control|shakespeare|wikitext`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.generation import control, imdb, shakespeare, wikitext
from benchmarks.results_file import table_lines, write_table

RECIPES = {"imdb": imdb, "control": control, "shakespeare": shakespeare, "wikitext": wikitext}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="recipe", required=True)
    for name, recipe in RECIPES.items():
        recipe.add_options(commands.add_parser(name, description=recipe.__doc__))
    chosen = parser.parse_args()
    title, header, rows, missed = RECIPES[chosen.recipe].run(chosen)
    if getattr(chosen, "choose", False):  # no result, but what the recipe hangs on
        print("\n".join(table_lines(header, rows)))
        return 0
    samples = getattr(RECIPES[chosen.recipe], "samples", None)
    written = samples(chosen) if samples else []
    # Where a file lies belongs to the machine alone.
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    write_table(
        f"generation_{chosen.recipe}",
        title,
        f"python -m benchmarks.generation {' '.join(words)}",
        header,
        rows,
        notes=[*(f"Not reached: {miss}." for miss in missed), *written],
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
