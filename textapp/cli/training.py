"""Commands that train: their options become a configuration."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from textapp.cli.options import DATASETS, MODELS, AclImdb, Device, LabelColumn, Output, Overwrite, Restart, TextColumn
from textapp.cli.program import console, in_sentences, prepare_keras
from textapp.config import DataConfig, PretrainConfig, TrainConfig, counts_of, seconds_of
from textapp.errors import UserError


@in_sentences
def train(
    dataset: Annotated[
        str | None, typer.Option(help=f"One of {DATASETS}. (default: imdb)", rich_help_panel="Data")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Your own file instead: CSV, TSV, JSON Lines or Parquet, plain or gzip.",
            rich_help_panel="Data",
        ),
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    slice_column: Annotated[
        str | None,
        typer.Option(help="A column of --data to report accuracy by. (default: source)", rich_help_panel="Data"),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(help="A file to choose on; split off --data if not given.", rich_help_panel="Data"),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="A file to test on; split off --data if not given.", rich_help_panel="Data"),
    ] = None,
    data_dir: AclImdb = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many texts per split.", rich_help_panel="Data")
    ] = None,
    stopwords: Annotated[
        str,
        typer.Option(
            help="default (keeps negations), none, nltk:LANGUAGE (an NLTK corpus of yours) or a file.",
            rich_help_panel="Text",
        ),
    ] = "default",
    models: Annotated[
        str,
        typer.Option(
            help=f"Any of {MODELS}; or all.",
            rich_help_panel="Models",
        ),
    ] = "default",
    preset: Annotated[
        str | None,
        typer.Option(
            help="What minilm or causal-lm starts from: a folder in KerasHub's or Hugging Face's format, or a name of "
            "KerasHub's. (default: for minilm all-MiniLM-L6-v2 of requirements-pretrained.txt, for causal-lm none)",
            rich_help_panel="Models",
        ),
    ] = None,
    tune: Annotated[
        str,
        typer.Option(
            help="How much of minilm or causal-lm learns: full, lora (low-rank matrices) or, of minilm, head (its last "
            "layer).",
            rich_help_panel="Models",
        ),
    ] = "full",
    accumulate: Annotated[
        int,
        typer.Option(
            min=1,
            help="Put minilm's and causal-lm's batches through the network in so many parts, where memory is short.",
            rich_help_panel="Models",
        ),
    ] = 1,
    class_weight: Annotated[
        str | None,
        typer.Option(help="balanced: rare classes count as much as frequent ones.", rich_help_panel="Models"),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The most passes of every network over the training texts. (default: each model's own)",
            rich_help_panel="Models",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="How long each network trains: 90s, 10m, 1.5h. (default: its epochs decide)", rich_help_panel="Models"
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="What networks are trained in: auto, float32 or bfloat16, which wide ones take where it is faster.",
            rich_help_panel="Models",
        ),
    ] = "auto",
    generator_tokens: Annotated[
        str,
        typer.Option(help="What generators read and write: bpe, words or characters.", rich_help_panel="Models"),
    ] = "bpe",
    scrub: Annotated[
        bool,
        typer.Option(
            "--scrub/--no-scrub",
            help="Generators learn from texts whose e-mail addresses, links and phone numbers are replaced.",
            rich_help_panel="Models",
        ),
    ] = True,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="int8: compare encoder and decoder with 8-bit copies of themselves, too.", rich_help_panel="Models"
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="A trained classifier's folder, such as saved_models/imdb/minilm: train encoder and lstm on its "
            "answers, too.",
            rich_help_panel="Models",
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(help="A file of texts for --teacher to answer and students to learn.", rich_help_panel="Models"),
    ] = None,
    teacher_weight: Annotated[
        float,
        typer.Option(help="The teacher's share beside a text's label, 0 to 1.", rich_help_panel="Models"),
    ] = 0.7,
    teacher_temperature: Annotated[
        float,
        typer.Option(help="Of its answers; above 1 they are less sure.", rich_help_panel="Models"),
    ] = 1.0,
    init_from: Annotated[
        Path | None,
        typer.Option(
            help="A run of `python -m textapp pretrain`: its encoder, minilm or decoder is where that model starts.",
            rich_help_panel="Models",
        ),
    ] = None,
    label_counts: Annotated[
        str | None,
        typer.Option(
            help="Train the classifiers on so few labelled texts, too, such as 100,1000.", rich_help_panel="Models"
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="Have the classifiers answer together, too, with weights fitted on validation.",
            rich_help_panel="Models",
        ),
    ] = False,
    ensemble_with: Annotated[
        str | None,
        typer.Option(
            help="Trained classifiers that join: folders such as saved_models/imdb/lstm, with commas between.",
            rich_help_panel="Models",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**31 - 1, help="For everything that is random.", rich_help_panel="Models"),
    ] = 0,
    seeds: Annotated[
        int,
        typer.Option(
            min=1, max=100, help="Train each classifying network with this many seeds.", rich_help_panel="Models"
        ),
    ] = 1,
    run: Annotated[
        str | None,
        typer.Option(
            help="The run's name; a number is added where a finished run has it. (default: the dataset's)",
            rich_help_panel="Run",
        ),
    ] = None,
    output: Output = Path("saved_models"),
    overwrite: Overwrite = False,
    restart: Restart = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write Keras's logs for TensorBoard, too.", rich_help_panel="Run")
    ] = False,
    device: Device = "auto",
) -> None:
    """Train and compare models; leave a run folder with SavedModels and a report."""
    if class_weight not in (None, "balanced"):
        raise UserError(f"--class-weight is {class_weight!r}; the only choice is 'balanced'")
    config = TrainConfig(
        data=DataConfig(
            dataset=dataset,
            data=data,
            text_column=_of_data(text_column, data, unlabelled),
            label_column=label_column,
            validation=validation,
            test=test,
            data_dir=data_dir,
            slice_column=slice_column,
            limit=limit,
            seed=seed,
        ),
        models=tuple(name.strip() for name in models.split(",") if name.strip()),
        preset=preset,
        tune=tune,
        accumulate=accumulate,
        stopwords=stopwords,
        class_weight=class_weight,
        epochs=epochs,
        budget=None if budget is None else seconds_of(budget),
        precision=precision,
        generator_tokens=generator_tokens,
        scrub=scrub,
        quantize=quantize,
        teacher=teacher,
        unlabelled=unlabelled,
        text_column=text_column,
        teacher_weight=teacher_weight,
        teacher_temperature=teacher_temperature,
        init_from=init_from,
        label_counts=() if label_counts is None else counts_of(label_counts),
        ensemble=ensemble or ensemble_with is not None,
        ensemble_with=tuple(Path(folder.strip()) for folder in (ensemble_with or "").split(",") if folder.strip()),
        seeds=seeds,
        tensorboard=tensorboard,
        run=run,
        output=output,
        overwrite=overwrite,
        restart=restart,
        seed=seed,
    )
    prepare_keras(device)
    from textapp import pipeline

    program = "python train.py" if Path(sys.argv[0]).name == "train.py" else "python -m textapp"
    pipeline.train(config, command=f"{program} {shlex.join(sys.argv[1:])}".strip(), console=console())


@in_sentences
def pretrain(
    objective: Annotated[str, typer.Option(help="mlm: tell masked words; clm: tell the next token.")],
    dataset: Annotated[
        str | None,
        typer.Option(
            help=f"One of {DATASETS}: its training texts. (default: imdb, or none with --unlabelled)",
            rich_help_panel="Data",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Your own labelled file instead, as for train: its training texts, or all with --validation and "
            "--test.",
            rich_help_panel="Data",
        ),
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    validation: Annotated[
        Path | None, typer.Option(help="As for train; none of its texts is read.", rich_help_panel="Data")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="As for train; none of its texts is read.", rich_help_panel="Data")
    ] = None,
    data_dir: AclImdb = None,
    unlabelled: Annotated[
        list[Path] | None, typer.Option(help="A file of texts; may be given again.", rich_help_panel="Data")
    ] = None,
    stopwords: Annotated[str, typer.Option(help="As for train.", rich_help_panel="Text")] = "default",
    model: Annotated[
        str | None,
        typer.Option(help="encoder or minilm for mlm, decoder for clm. (default: the first)", rich_help_panel="Model"),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="For minilm: the encoder to go on from, as for train.", rich_help_panel="Model")
    ] = None,
    nsp: Annotated[
        bool,
        typer.Option(
            "--nsp", help="Have an encoder learn, too, which segments follow each other.", rich_help_panel="Model"
        ),
    ] = False,
    layers: Annotated[
        int | None, typer.Option(min=1, max=100, help="Blocks. (default: 2)", rich_help_panel="Model")
    ] = None,
    embedding_dim: Annotated[
        int | None, typer.Option(min=1, max=8192, help="Numbers per token. (default: 128)", rich_help_panel="Model")
    ] = None,
    sequence_length: Annotated[
        int | None,
        typer.Option(
            min=8, max=8192, help="The most tokens of a text. (default: the model's)", rich_help_panel="Model"
        ),
    ] = None,
    vocabulary_size: Annotated[
        int | None,
        typer.Option(min=300, help="The most words or subwords. (default: the model's)", rich_help_panel="Model"),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="The highest. (default: the model's)", rich_help_panel="Model")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the texts. (default: the model's)", rich_help_panel="Model"),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="How long to learn: 90s, 10m, 1.5h.", rich_help_panel="Model")
    ] = None,
    precision: Annotated[str, typer.Option(help="As for train.", rich_help_panel="Model")] = "auto",
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**31 - 1, help="As for train; decides which texts are left out.", rich_help_panel="Model"
        ),
    ] = 0,
    run: Annotated[
        str | None,
        typer.Option(help="The run's name. (default: the dataset's and the objective)", rich_help_panel="Run"),
    ] = None,
    output: Output = Path("saved_models"),
    overwrite: Overwrite = False,
    restart: Restart = False,
    device: Device = "auto",
) -> None:
    """Let a network learn from texts without their labels; train --init-from starts from it."""
    of_data: dict[str, Any] = {
        "data": data, "validation": validation, "test": test, "data_dir": data_dir, "label_column": label_column
    }  # fmt: skip
    read = None
    if dataset is not None or data is not None or not unlabelled:
        column = _of_data(text_column, data, unlabelled)
        read = DataConfig(dataset=dataset, text_column=column, seed=seed, **of_data)
    elif stray := [name for name, value in of_data.items() if value is not None]:
        flag = "--" + stray[0].replace("_", "-")
        raise UserError(f"{flag} goes with --data FILE or --dataset, which is not given")
    config = PretrainConfig(
        objective=objective,
        data=read,
        unlabelled=tuple(unlabelled or ()),
        text_column=text_column,
        model=model,
        preset=preset,
        nsp=nsp,
        stopwords=stopwords,
        layers=layers,
        embedding_dim=embedding_dim,
        sequence_length=sequence_length,
        vocabulary_size=vocabulary_size,
        learning_rate=learning_rate,
        epochs=epochs,
        budget=None if budget is None else seconds_of(budget),
        precision=precision,
        run=run,
        output=output,
        overwrite=overwrite,
        restart=restart,
        seed=seed,
    )
    prepare_keras(device)
    from textapp import pretraining

    pretraining.pretrain(config, command=f"python -m textapp {shlex.join(sys.argv[1:])}", console=console())


def _of_data(text_column: str | None, data: Path | None, unlabelled: object) -> str | None:
    """Return the column of --data; beside a dataset of our own the option means that of --unlabelled alone."""
    return None if data is None and unlabelled else text_column
