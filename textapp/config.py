"""What the user chose, as frozen dataclasses: built by the command line, stored in run.json."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from textapp.errors import UserError

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}  # of a time, in seconds


def seconds_of(text: str) -> float:
    """Return a time such as "90s", "10m", "1.5h", or plain seconds such as "90", in seconds.

    Raises:
        UserError: it is no such time, or none above 0.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([smh]?)", text.strip().lower())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not 0 < seconds < math.inf:
        raise UserError(f"--budget is {text!r}; it must be a time above 0 such as 90s, 10m, 1.5h or plain seconds")
    return seconds


def counts_of(text: str) -> tuple[int, ...]:
    """Return numbers such as "100,1000" in order, each once.

    Raises:
        UserError: it is no such list, or one is 0.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,9}", part) and int(part) for part in parts):
        raise UserError(f"--label-counts is {text!r}; it must be whole numbers above 0 with commas between")
    return tuple(sorted(set(map(int, parts))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which texts to read and how to split them.

    Attributes:
        dataset: a name in `textapp.datasets.DATASETS`; None for imdb, or for `data` where that is given.
        data: the user's own file (CSV, TSV, JSON Lines or Parquet, plain or gzip), or None.
        text_column, label_column: columns of `data`; None to guess them.
        validation, test: files with the same columns as `data`; None to split them off.
        data_dir: the folder of a dataset that the user fetched themselves (aclimdb).
        slice_column: of `data`, to report the accuracy of each of its values; None for "source" where there is one.
        limit: at most this many texts per split, or None.
        seed: decides the split.
    """

    dataset: str | None = None
    data: Path | None = None
    text_column: str | None = None
    label_column: str | None = None
    validation: Path | None = None
    test: Path | None = None
    data_dir: Path | None = None
    slice_column: str | None = None
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _make_absolute(self, DATA_PATHS)

    def relative_paths(self, folder: Path) -> dict[str, str]:
        """Return where the files lie as seen from a folder, by name: they may be moved with it."""
        paths = {name: path for name in DATA_PATHS if (path := getattr(self, name)) is not None}
        return {name: os.path.relpath(path, folder.absolute()) for name, path in paths.items()}

    @classmethod
    def from_json(cls, content: dict, *, folder: Path, relative: dict[str, str]) -> Self:
        """Return the configuration that a run's run.json holds.

        Args:
            content: its fields.
            folder: the run's, and
            relative: what `relative_paths` returned for it, used where a file is not where it was.
        """
        found: dict[str, Any] = dict(content)
        if found.get("data"):  # beside it earlier versions named a dataset
            found["dataset"] = None
        for name in DATA_PATHS:
            if (path := found.get(name)) and not Path(path).exists() and name in relative:
                found[name] = folder.absolute() / relative[name]
            elif path:
                found[name] = Path(path)
        return cls(**found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The whole of a `train` command.

    Attributes:
        data: which texts.
        models: names out of `CLASSIFIERS` and `GENERATORS`, or only "default" or "all".
        preset: what minilm or causal-lm starts from, see `textapp.models.presets.load_preset` and
            `textapp.models.causal_presets.load_causal`; None for all-MiniLM-L6-v2 and for no causal-lm.
        tune: "full", "lora" or "head": how much of it learns.
        accumulate: in how many parts its batches go through the network.
        stopwords: "default", "none", "nltk:LANGUAGE" or a path to a word list.
        class_weight: None or "balanced".
        epochs: the most passes over the training texts for every network; None for each model's own, or with a
            budget for as many as it allows.
        budget: how many seconds each network trains, the learning rate reaching zero when they are over; None for
            no limit. Linear models train whole.
        precision: "auto", "float32" or "bfloat16", that networks are trained in.
        quantize: None, or "int8" to compare, besides each model that can be quantized, the quantized one.
        teacher: folder of a trained classifier whose answers the students among the models learn, too; or None.
        unlabelled: a file of texts on which only the teacher speaks, or None.
        text_column: of `unlabelled`; None to guess it.
        teacher_weight: the teacher's share of what a student is to answer to a text that has a label.
        teacher_temperature: of the teacher's answers; above 1 they say more of what is nearly right.
        generator_tokens: a name in `TOKENS`: "bpe", "words" or "characters".
        scrub: whether generators learn from texts whose e-mail addresses, links and phone numbers are replaced.
        ensemble: whether the classifiers answer together, too, with weights fitted on the validation texts.
        ensemble_with: folders of classifiers of other runs that join them.
        init_from: a run of `pretrain`, or a model's folder in it, that the models of that name start from; or None.
        label_counts: so many labelled texts, besides all, that the classifiers are trained on to be compared.
        seeds: how many seeds to train each network that classifies with, from `seed` on; the first is kept.
        tensorboard: whether Keras writes TensorBoard's logs beside each network.
        run: the run folder's name; None for the dataset's or the file's.
        output: the folder that holds the runs.
        overwrite: replace a finished run of that name.
        restart: begin anew where there is an unfinished run of that name and these options.
        seed: for everything that is random.
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    models: tuple[str, ...] = ("default",)
    preset: str | None = None
    tune: str = "full"
    accumulate: int = 1
    stopwords: str = "default"
    class_weight: str | None = None
    epochs: int | None = None
    budget: float | None = None
    precision: str = "auto"
    quantize: str | None = None
    teacher: Path | None = None
    unlabelled: Path | None = None
    text_column: str | None = None
    teacher_weight: float = 0.7
    teacher_temperature: float = 1.0
    generator_tokens: str = "bpe"
    scrub: bool = True
    ensemble: bool = False
    ensemble_with: tuple[Path, ...] = ()
    init_from: Path | None = None
    label_counts: tuple[int, ...] = ()
    seeds: int = 1
    tensorboard: bool = False
    run: str | None = None
    output: Path = Path("saved_models")
    overwrite: bool = False
    restart: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _make_absolute(self, ("teacher", "unlabelled", "init_from", "ensemble_with"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """How much is measured of the models of a run.

    Attributes:
        resamples: of each bootstrap; None for as many as the p-values take.
        latency_seconds: about how long the timing of a classifier may take.
        perturbed_texts: test texts that each perturbation changes.
        explained_texts: test texts whose most important words are left out.
        samplers: names in `textapp.generation.SAMPLERS`; None for all.
        generated_tokens: the most tokens of each text that a generator writes.
        charts: whether index.html, the page with the charts, is drawn.
    """

    resamples: int | None = None
    latency_seconds: float = 2.0
    perturbed_texts: int = 1_000
    explained_texts: int = 50
    samplers: tuple[str, ...] | None = None
    generated_tokens: int = 60
    charts: bool = True


MEASURE = MeasureConfig()  # where nothing else is said


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """The whole of a `pretrain` command.

    Attributes:
        objective: "mlm", masked words, or "clm", the next token; see `textapp.models.starting.OBJECTIVES`.
        data: the dataset whose training texts are read, and no others of it; None for `unlabelled` alone.
        unlabelled: files of texts.
        text_column: of those; None to guess it.
        model: "encoder", "minilm" or "decoder"; None for the objective's first.
        preset: of minilm, to go on from; None for its own.
        nsp: whether an encoder also learns which segments follow each other.
        stopwords: as for training; an encoder's vocabulary is made of cleaned tokens.
        layers, embedding_dim, sequence_length, vocabulary_size, learning_rate: of the model; None for the usual.
        epochs: the most passes over the texts; None for the usual, or with a budget for as many as it allows.
        budget: how many seconds to train; None for no limit.
        precision: "auto", "float32" or "bfloat16".
        run, output, overwrite, restart, seed: as for training; the seed decides the dataset's split, too.
    """

    objective: str
    data: DataConfig | None = None
    unlabelled: tuple[Path, ...] = ()
    text_column: str | None = None
    model: str | None = None
    preset: str | None = None
    nsp: bool = False
    stopwords: str = "default"
    layers: int | None = None
    embedding_dim: int | None = None
    sequence_length: int | None = None
    vocabulary_size: int | None = None
    learning_rate: float | None = None
    epochs: int | None = None
    budget: float | None = None
    precision: str = "auto"
    run: str | None = None
    output: Path = Path("saved_models")
    overwrite: bool = False
    restart: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _make_absolute(self, ("unlabelled",))


DATA_PATHS = ("data", "validation", "test", "data_dir")


def _make_absolute(config: Any, names: Sequence[str]) -> None:
    """Let paths, or tuples of them, of a frozen dataclass hold wherever the program is run next."""
    for name in names:
        value = getattr(config, name)
        if value is not None:
            several = isinstance(value, tuple)
            made = tuple(Path(path).absolute() for path in (value if several else (value,)))
            object.__setattr__(config, name, made if several else made[0])


NOT_GIVEN = "not given"
PLACES = ("run", "output", "overwrite", "restart")  # options that say where a run goes, not what it is


def options_of(config: TrainConfig | PretrainConfig) -> dict[str, str]:
    """Return what was chosen, in words, by the options of the command line; not where it goes."""
    chosen = dataclasses.asdict(config)
    chosen = (chosen.pop("data") or {}) | chosen
    return {f"--{name.replace('_', '-')}": _in_words(value) for name, value in chosen.items() if name not in PLACES}


def _in_words(value: Any) -> str:
    if value is None or value == ():
        return NOT_GIVEN
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return f"{value:.9g}" if isinstance(value, float) else str(value)
