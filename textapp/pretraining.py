"""`textapp pretrain`: a network learns from texts without their labels, for others to start from."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rich.console

from textapp import __version__, machine
from textapp.config import PretrainConfig
from textapp.datasets import Split, load_dataset
from textapp.datasets.cleaning import text_hash
from textapp.datasets.texts import Texts, TextsWriter
from textapp.datasets.unlabelled import read_unlabelled
from textapp.datasets.user_file import folder_name
from textapp.errors import UserError
from textapp.fitting import write_history
from textapp.models.decoder import Decoder
from textapp.models.encoder import Encoder
from textapp.models.folder import write_json
from textapp.models.masked_preset import MaskedPreset
from textapp.models.masked_words import Learned, MaskedEncoder
from textapp.models.pretrained import MiniLM
from textapp.models.starting import OBJECTIVES, PRETRAINING_FILE, SIZES, TEXTS_FILE
from textapp.resuming import choices, versions
from textapp.run import RunFolder
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import make_cleaning
from textapp.training.precision import check_precision
from textapp.training.progress import Progress, Stopwatch

HELD_OUT = 1_000  # texts at most that are told at the end, and
HELD_OUT_SHARE = 0.05  # of all at most


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
    """Texts to learn from.

    Attributes:
        name: for the run's folder.
        texts: N to learn from.
        held_out: others, to see how much was learned.
        hashes: of both, uint64 array (texts, 2), see `textapp.datasets.cleaning.text_hash`.
        facts: where they come from, and how many were left out.
    """

    name: str
    texts: Texts
    held_out: Texts
    hashes: np.ndarray
    facts: dict


def pretrain(config: PretrainConfig, *, command: str = "", console: rich.console.Console | None = None) -> Path:
    """Run the command.

    Args:
        config: what the user chose.
        command: how they said it, for run.json.
        console: where to show progress; None to be silent.

    Returns:
        The finished run's folder, with a folder for the model.

    Raises:
        UserError: for everything that the user can mend.
    """
    console = console or rich.console.Console(quiet=True)
    stopwatch = Stopwatch()
    model = chosen_model(config)
    check_precision(config.precision)
    cleaning = CachedCleaning(make_cleaning(config.stopwords))
    corpus = read_corpus(config)
    fingerprint = hashlib.sha256(corpus.hashes.data).hexdigest()
    with RunFolder(
        config.output,
        config.run or f"{corpus.name[:70]}-{config.objective}",
        overwrite=config.overwrite,
        restart=config.restart,
        options=choices(config, fingerprint),
        versions=versions(),
    ) as run:
        sizes = f"{len(corpus.texts):,} texts to learn from, {len(corpus.held_out):,} held out"
        for line in filter(None, (sizes, *_notes(corpus), run.note)):
            console.print(line, markup=False, highlight=False)
        finished = _run(config, model, corpus, cleaning, run, command, stopwatch, console)
    said = f"The run is in {finished}; python train.py --init-from {finished} starts from it"
    console.print(said, style="dim", highlight=False, markup=False)
    return finished


def _run(
    config: PretrainConfig,
    model: str,
    corpus: Corpus,
    cleaning: CachedCleaning,
    run: RunFolder,
    command: str,
    stopwatch: Stopwatch,
    console: rich.console.Console,
) -> Path:
    """Train the model, and return the finished run's folder."""
    folder = run.model(model)
    with Progress(console) as progress:
        progress.model(f"{model} {config.objective}")
        progress.checkpoint = run.resumption / f"{model}.checkpoint"
        learned, options = LEARNERS[model](config, corpus, cleaning, folder, progress)
        stopwatch.turn_to(stopwatch.seconds + progress.earlier)
        progress.line("learned", {"seconds": stopwatch.seconds, **learned.figures})
    content = {
        "objective": config.objective,
        "model": model,
        "options": options,
        "next_sentence": config.nsp,
        "texts": len(corpus.texts),
        "tokens": learned.tokens,
        "passes": learned.passes,
        "held_out": {"texts": len(corpus.held_out), **learned.figures},
        "seconds": round(stopwatch.seconds, 1),
    }
    write_history(folder / "history.csv", learned.history)
    np.save(folder / TEXTS_FILE, corpus.hashes)
    write_json(folder / PRETRAINING_FILE, content)
    return run.finish(
        {
            "textapp": __version__,
            "command": command,
            "config": dataclasses.asdict(config),
            "seed": config.seed,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": machine.versions(),
            "code": machine.code_digest(),
            "device": machine.device(),
            "pretraining": content,
            "corpus": corpus.facts,
            "models": [model],
        }
    )


def chosen_model(config: PretrainConfig) -> str:
    """Return which model is to learn.

    Raises:
        UserError: the objective or the model is unknown, one does not go with the other, or options do not.
    """
    if config.objective not in OBJECTIVES:
        raise UserError(f"unknown objective {config.objective!r}; choose from {list(OBJECTIVES)}")
    able = OBJECTIVES[config.objective]
    model = config.model or able[0]
    if model not in able:
        raise UserError(f"--objective {config.objective} is for {' and '.join(able)}, not for {model!r}")
    if config.nsp and model != "encoder":
        raise UserError(f"--nsp goes with --objective mlm and --model encoder, not with {model}")
    if config.preset is not None and model != "minilm":
        raise UserError(f"--preset goes with --model minilm, not with {model}")
    if config.learning_rate is not None and not 0 < config.learning_rate < math.inf:
        raise UserError(f"--learning-rate is {config.learning_rate}; it must be a number above 0")
    width = config.embedding_dim
    if model == "minilm" and (width, config.layers, config.vocabulary_size) != (None, None, None):
        raise UserError("minilm has the sizes of its preset; leave out --layers, --embedding-dim and --vocabulary-size")
    if width is not None and width % HEAD_WIDTH[model]:
        raise UserError(f"--embedding-dim is {width}; for {model} it must be a multiple of {HEAD_WIDTH[model]}")
    _check_size(config, model)
    return model


def _check_size(config: PretrainConfig, model: str) -> None:
    """Raise UserError where the weights that are asked for, and what trains them, cannot fit into the memory."""
    width, layers, vocabulary = config.embedding_dim or 0, config.layers or 1, config.vocabulary_size or 0
    weights = vocabulary * width + 12 * layers * width**2  # of the embeddings and of each layer's matrices
    needed, there = 16 * weights, machine.memory_bytes()  # float32: a weight, its gradient and two moments
    if there is not None and needed > there:
        raise UserError(
            f"{layers} layers of {width} have about {weights:,} weights, and to train such a {model} takes "
            f"{needed / 2**30:,.0f} GiB of memory; this machine has {there / 2**30:,.0f}, so choose smaller --layers, "
            "--embedding-dim or --vocabulary-size"
        )


def read_corpus(config: PretrainConfig) -> Corpus:
    """Read the training texts of a dataset and the unlabelled ones, each text once.

    Texts of the dataset's validation and test split are not among them, in whatever file they stand.

    Raises:
        UserError: something cannot be read, or there are too few texts.
    """
    facts: dict[str, Any] = {"sources": []}
    held_out, writer, digests = [], TextsWriter(), []
    seen: set[bytes] = set()

    def add(texts: Sequence[str]) -> int:
        """Add the texts that are not there yet; return how many were."""
        before = len(seen)
        for text in texts:
            digest = text_hash(text)
            if digest not in seen:
                seen.add(digest)
                digests.append(digest)
                writer.extend([text])
        return before + len(texts) - len(seen)

    name = None
    if config.data is not None:
        dataset = load_dataset(config.data)
        name, held_out = dataset.name, [dataset.validation.texts, dataset.test.texts]
        add(dataset.train.texts)
        facts["dataset"] = {key: dataset.facts[key] for key in ("fingerprint", "test_fingerprint", "sizes")}
        facts["sources"].append({"name": name, "texts": len(dataset.train)})
    for path in config.unlabelled:
        texts, counts = read_unlabelled(path, text_column=config.text_column, held_out=held_out)
        counts["standing_before"] = add(texts)
        facts["sources"].append({"name": str(path), **counts})
        name = name or folder_name(path)
    texts = writer.texts()
    if len(texts) < 2:
        raise UserError(f"there is {len(texts)} text to learn from; give more with --data, --dataset or --unlabelled")
    assert name is not None  # or there were no texts
    order = np.random.default_rng(config.seed).permutation(len(texts))
    apart = max(1, min(HELD_OUT, int(HELD_OUT_SHARE * len(texts))))
    hashes = np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)
    return Corpus(
        name=name,
        texts=texts.take(np.sort(order[apart:])),
        held_out=texts.take(np.sort(order[:apart])),
        hashes=hashes,
        facts=facts,
    )


def _notes(corpus: Corpus) -> list[str]:
    """Return a sentence for each file of which something was left out."""
    named = {
        "held_out": "of the validation or test split",
        "duplicates": "standing twice",
        "standing_before": "read before",
        "empty_text": "empty",
    }
    notes = []
    for source in corpus.facts["sources"]:
        left_out = [f"{source[key]:,} {what}" for key, what in named.items() if source.get(key)]
        if left_out:
            notes.append(f"Left out of {source['name']}: {', '.join(left_out)}.")
    return notes


def _learn_encoder(
    config: PretrainConfig, corpus: Corpus, cleaning: CachedCleaning, folder: Path, progress: Progress
) -> tuple[Learned, dict]:
    width = config.embedding_dim or 128
    encoder = Encoder(
        label_names=(),
        cleaning=cleaning,
        seed=config.seed,
        vocabulary_size=config.vocabulary_size or 20_000,
        sequence_length=config.sequence_length or 256,
        embedding_dim=width,
        layers=config.layers or 2,
        heads=width // HEAD_WIDTH["encoder"],
        intermediate_dim=4 * width,
        # A text is seen a few times only, with other words masked each time.
        token_dropout=0.0,
        block_dropout=0.0,
        # After 200 seconds on two cores, in nats a masked word: 7.22 so, 7.29 with 64 texts at a time, 7.62 by AdamW.
        batch_size=16,
        learning_rate=config.learning_rate or 5e-3,
        epochs=_epochs(config, otherwise=5),
        budget=config.budget,
        precision=config.precision,
    )
    masked = MaskedEncoder(encoder=encoder, pairs=config.nsp)
    learned = masked.fit(corpus.texts, corpus.held_out, progress=progress)
    write_json(folder / "cleaning.json", cleaning.to_json())
    return learned, masked.save(folder)


def _learn_minilm(
    config: PretrainConfig, corpus: Corpus, cleaning: CachedCleaning, folder: Path, progress: Progress
) -> tuple[Learned, dict]:
    model = MiniLM(
        label_names=(),
        cleaning=cleaning,
        seed=config.seed,
        preset=config.preset,
        learning_rate=config.learning_rate or 1e-4,
        epochs=_epochs(config, otherwise=1),
        precision=config.precision,
        budget=config.budget,
    )
    model.sequence_length = config.sequence_length or 128  # of a text's beginning and end: half the time of 256
    masked = MaskedPreset(model=model)
    return masked.fit(corpus.texts, corpus.held_out, progress=progress), masked.save(folder)


def _learn_decoder(
    config: PretrainConfig, corpus: Corpus, cleaning: CachedCleaning, folder: Path, progress: Progress
) -> tuple[Learned, dict]:
    own = Decoder()
    width = config.embedding_dim or own.hidden_dim
    decoder = Decoder(
        seed=config.seed,
        vocabulary_size=config.vocabulary_size or own.vocabulary_size,
        context=config.sequence_length or own.context,
        layers=config.layers or own.layers,
        heads=width // HEAD_WIDTH["decoder"],
        hidden_dim=width,
        batch_size=16,  # half as often what Muon does with the matrices, whose time hangs on no text
        learning_rate=config.learning_rate or own.learning_rate,
        training_tokens=sys.maxsize,
        epochs=_epochs(config, otherwise=1),
        budget=config.budget,
        precision=config.precision,
    )
    splits = [
        Split(texts=texts, labels=np.zeros(len(texts), np.int32), rows=np.arange(len(texts)))
        for texts in (corpus.texts, corpus.held_out)
    ]
    history = decoder.fit(*splits, progress=progress)
    told = corpus.held_out[:DECODER_HELD_OUT]
    documents = decoder.encode(told)
    figures = {
        "loss": float(decoder.negative_log_likelihoods(told).sum() / max(1, sum(map(len, documents)))),
        "bits_per_byte": decoder.bits_per_byte(told),
    }
    decoder.save(folder)
    tokens = sum(map(len, decoder.encode(corpus.texts)))
    sizes = {name: getattr(decoder, name) for name in SIZES["decoder"]}
    return Learned(history, figures, tokens, history[-1]["epoch"]), sizes


def _epochs(config: PretrainConfig, *, otherwise: int) -> int | None:
    """Return how often the texts are read; None for as often as the budget allows."""
    return config.epochs if config.budget is not None else config.epochs or otherwise


DECODER_HELD_OUT = 200  # texts whose every token is told
HEAD_WIDTH = {"encoder": 32, "minilm": 1, "decoder": 64}  # numbers of a token that each attention head has
LEARNERS: dict[str, Callable[[PretrainConfig, Corpus, CachedCleaning, Path, Progress], tuple[Learned, dict]]] = {
    "encoder": _learn_encoder,
    "minilm": _learn_minilm,
    "decoder": _learn_decoder,
}
