"""One stage's process: `python -m benchmarks.gpu.stage NAME ...`, started by the driver."""

from __future__ import annotations

import argparse
import importlib

from benchmarks.gpu.__main__ import STAGES
from benchmarks.gpu.options import Options, add_options
from benchmarks.results_file import write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=STAGES)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--command", required=True, help="the driver's, for the table")
    add_options(parser)
    chosen, _ = parser.parse_known_args()  # the driver has options of its own
    from textapp.cli.program import prepare_keras

    prepare_keras(chosen.device)
    names = ("out", "seconds", "tiny", "device", "preset", "shakespeare", "peak_tflops")
    options = Options(**{name: getattr(chosen, name) for name in names})
    table = importlib.import_module(f"benchmarks.gpu.{chosen.name}").run(options)
    notes = [*map(str, table.figures), *table.notes]
    if options.tiny:
        notes = ["With --tiny: only to see that it works.", *table.notes]
    write_table(chosen.name, table.title, chosen.command, table.header, table.rows, notes=notes, folder=options.out)


if __name__ == "__main__":
    main()
