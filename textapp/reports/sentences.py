"""The words of a report as plain strings, for every page to draw in its own way."""

from __future__ import annotations

HOW_MEASURED = (
    "Intervals are 95 % percentile bootstrap over the test texts. Train s: seconds of training. "
    "ms per text: one text at a time. Texts per s: in batches of 64. Both are medians after warm-up."
)
BITS_PER_BYTE = "Bits per byte of the test texts: lower is better."


def facts(report: dict) -> list[tuple[str, str]]:
    """Returns what the run was as (name, value) pairs."""
    dataset = report["dataset"]
    pairs = [("Dataset", str(dataset["name"])), ("Texts", _counts(dataset["sizes"]))]
    pairs += [("Note", note) for note in dataset.get("notes", ())]
    pairs += [("Command", str(report["command"])), ("Seed", str(report["seed"]))]
    pairs += [("Device", str(report["device"])), ("Versions", _versions(report["versions"]))]
    return pairs


def notes(rows: list[dict]) -> list[str]:
    """Returns what there is to say about single classifiers or generators, a sentence each."""
    sentences = []
    for row in rows:
        if not row["exported"]:
            sentences.append(f"{row['name']}: not exported as a SavedModel.")
        sentences += [f"{row['name']}: {note}" for note in row["notes"]]
    return sentences


def continuation(sample: dict) -> str:
    """Returns what a generator added to its prompt, whether or not its text repeats the prompt."""
    return sample["text"].removeprefix(sample["prompt"])


def settings(sample: dict) -> str:
    """Returns how a text was drawn: seed 7, temperature 0.8, top_k 40."""
    return ", ".join(f"{name} {value}" for name, value in sample.items() if name not in ("prompt", "text"))


def _counts(counts: dict | int) -> str:
    """Returns 20,000 train, 2,500 test; a bare number as it is."""
    if not isinstance(counts, dict):
        return f"{counts:,}"
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _versions(versions: dict) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
