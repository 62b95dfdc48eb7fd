"""SavedModels beside their models, on many texts and in many settings: `python -m benchmarks.parity --run RUN`.

Every SavedModel of the run is asked with oneDNN on and off and with one, two and four threads: classifiers for the
test texts, generators to score test texts and to continue their beginnings, greedily and sampled. The table has the
largest difference of a probability or log-probability, and how much of what was written could be compared.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.results_file import command_line, write_table
from textapp.errors import UserError
from textapp.export import parity
from textapp.finished import FinishedRun
from textapp.models import Classifier, load

SETTINGS = list(itertools.product(("1", "0"), (1, 2, 4)))  # oneDNN, threads
HEADER = ["model", "oneDNN", "threads", "texts or tokens scored", "largest difference", "labels or texts that differ",
          "undecided labels, or tokens compared of those written"]  # fmt: skip
BATCH = 64  # prompts at a time, as `ask` has it: random numbers hang on the place in a batch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a finished run, such as saved_models/imdb")
    parser.add_argument("--prompts", type=int, default=1_000, help="for each way to write")
    parser.add_argument("--tokens", type=int, default=parity.GENERATED_TOKENS, help="to add to each")
    chosen = parser.parse_args()
    run = FinishedRun(chosen.run)
    texts = list(run.dataset().test.texts)
    rows, failures = [], []
    for row in [*run.report["classifiers"], *run.report["generators"]]:
        saved_model = chosen.run / row["name"] / "1"
        if not saved_model.is_dir():
            continue
        model = load(chosen.run / row["name"])
        for onednn, threads in SETTINGS:
            environment = {"TF_ENABLE_ONEDNN_OPTS": onednn, "TF_NUM_INTRAOP_THREADS": str(threads)}
            environment |= {"TF_NUM_INTEROP_THREADS": str(threads)}
            with mock.patch.dict(os.environ, environment):
                try:
                    check = _classifier if isinstance(model, Classifier) else _generator
                    found = check(model, saved_model, texts, chosen)
                except UserError as error:
                    failures.append(f"{row['name']}, oneDNN {onednn}, {threads} threads: {error}")
                    found = ["", "", "differs", ""]
            rows.append([row["name"], {"1": "on", "0": "off"}[onednn], str(threads), *found])
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    title = f"SavedModels of {chosen.run.name} beside their models"
    write_table("parity", title, command_line("benchmarks.parity"), HEADER, rows, notes=failures)
    return 1 if failures else 0


def _classifier(model: Classifier, saved_model: Path, texts: list[str], chosen: argparse.Namespace) -> list[str]:
    expected = model.predict_proba(texts)
    answers = parity.ask(saved_model, [parity.question([text.encode() for text in texts])])
    (outputs,) = answers["outputs"]
    found = parity.certify(
        saved_model, model.label_names, expected, np.array(outputs["probabilities"], np.float32), outputs["label"]
    )
    return [
        f"{len(texts):,}",
        f"{found['largest_difference']:.1e}",
        str(found["labels_that_differ"]),
        str(found["labels_undecided"]),
    ]


def _generator(model, saved_model: Path, texts: list[str], chosen: argparse.Namespace) -> list[str]:
    texts = [text for text, _ in zip(itertools.cycle(texts), range(chosen.prompts), strict=False)]
    prompts = [text[: 5 + number % 60] for number, text in enumerate(texts)]
    batches = [prompts[start : start + BATCH] for start in range(0, len(prompts), BATCH)]
    settings = [
        {"max_new_tokens": chosen.tokens, "top_k": 0, "top_p": top_p, "temperature": temperature, "seed": seed}
        for temperature, top_p in ((0.0, 1.0), (0.8, 0.95), (1.0, 1.0))
        for seed in range(len(batches))
    ]
    asked = [
        parity.question([prompt.encode() for prompt in batches[each["seed"]]], signature="generate", arguments=each)
        for each in settings
    ]
    scored = texts[:200]
    asked.append(parity.question([text.encode() for text in scored], signature="score"))
    *written, scores = parity.ask(saved_model, asked)["outputs"]
    found = parity.compare_scores(model, scored, scores, saved_model)
    counts = [
        parity.compare_texts(model, batches[each["seed"]], one["text"], saved_model, **each)
        for one, each in zip(written, settings, strict=True)
    ]
    total = {name: sum(one[name] for one in counts) for name in counts[0]}
    return [
        f"{found['scored_tokens']:,}",
        f"{found['largest_difference']:.1e}",
        f"{total['texts_that_differ']} of {total['prompts']:,}",
        f"{total['compared_tokens']:,} of {total['written_tokens']:,}",
    ]


if __name__ == "__main__":
    sys.exit(main())
