"""Small reports, and texts that would break out of one."""

import numpy as np

from textapp.reports.schema import build_report

HOSTILE = "<script>alert(1)</script> [red]x[/red] | `a` **b** [c](http://d.e) ![f](g) <!-- \x1b[2J\x07\r\n# h\u202e\t\\"


def run_facts(**dataset):
    return {
        "command": "python train.py --limit 5",
        "seed": 7,
        "versions": {"python": "3.11.2", "numpy": "2.4"},
        "device": "cpu",
        "dataset": {"name": "toy", "sizes": {"train": 20000, "test": 5}, **dataset},
    }


def classifier(name="nbsvm", kind="linear", *, label_names=("bad", "good"), **others):
    per_class = {label: {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 3} for label in label_names}
    counts = [[2, 1], [0, 2]] if len(label_names) == 2 else np.eye(len(label_names), dtype=int)
    return {
        "name": name,
        "kind": kind,
        "metrics": {
            "accuracy": 0.912,
            "accuracy_interval": [0.901, 0.923],
            "macro_f1": np.float64(0.911),
            "log_loss": np.float32(0.245),
            "confusion_matrix": counts,
            "per_class": per_class,
            "n": 5,
        },
        "cost": {
            "training_seconds": 41.2,
            "parameters": 1_300_000,
            "bytes_on_disk": np.int64(5_120_000),
            "milliseconds_per_text_batch_1": 0.412,
            "texts_per_second_batch_64": 12345.4,
        },
        **others,
    }


def generator(prompt="The film ", text="The film was \ngood"):
    return {
        "name": "decoder",
        "bits_per_byte": 2.1,
        "test_documents": 300,
        "bigram_bits_per_byte": 2.6,
        "bigram_name": "bigram, Kneser-Ney",
        "samples": [{"prompt": prompt, "text": text, "seed": 7, "temperature": 0.8}],
        "cost": {"training_seconds": 3.2, "parameters": 812_345, "bytes_on_disk": 3_300_000},
    }


def small_report(**others):
    parts = {
        "classifiers": [classifier(exported=False, notes=["Stopped early."])],
        "verdict": {"best": "nbsvm", "sentence": "Best on the 5 test texts: nbsvm."},
        "generators": [generator()],
    }
    facts = run_facts(dropped={"duplicate": 2}, notes=["Labels are *guessed*."])
    return build_report(facts, **{**parts, **others})
