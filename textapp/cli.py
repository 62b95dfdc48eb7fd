"""The commands: they read options, call the rooms and print; no logic of their own."""

from __future__ import annotations

import functools
import logging
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from textapp.config import DataConfig, TrainConfig, seconds_of
from textapp.errors import UserError
from textapp.memory import keep_memory

# In words, since importing the dicts takes Keras and seconds; a test holds them against the dicts.
DATASETS = "imdb, rotten_tomatoes, aclimdb"
MODELS = "majority, tfidf, nbsvm, lstm, encoder, decoder"
INTERRUPTED = 130  # as shells report a process that Ctrl-C ended

app = typer.Typer(
    help="Train, compare and ship text classifiers and text generators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def in_sentences(command: Callable) -> Callable:
    """Turn the errors that a user can mend into one sentence on stderr and an exit code."""

    @functools.wraps(command)
    def run(*args, **kwargs):
        errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        try:
            return command(*args, **kwargs)
        except UserError as error:
            errors.print(f"Error: {' '.join(str(error).split())}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            left = "What there is of the run is in a folder that ends in .unfinished."
            errors.print(f"Interrupted. {left if command.__name__ == 'train' else 'Nothing was changed.'}")
            raise typer.Exit(INTERRUPTED) from None
        except MemoryError:
            errors.print("Error: out of memory; use fewer texts with --limit, or fewer models with --models.")
            raise typer.Exit(1) from None
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            errors.print(f"Error: the system says: {error.strerror or error}{where}.")
            raise typer.Exit(1) from None

    return run


@app.command()
@in_sentences
def train(
    dataset: Annotated[str, typer.Option(help=f"One of {DATASETS}.", rich_help_panel="Data")] = "imdb",
    data: Annotated[
        Path | None,
        typer.Option(
            help="Your own file instead: CSV, TSV, JSON Lines or Parquet, plain or gzip.",
            rich_help_panel="Data",
        ),
    ] = None,
    text_column: Annotated[
        str | None,
        typer.Option(help="Its column of texts; guessed when obvious.", rich_help_panel="Data"),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(help="Its column of labels; guessed when obvious.", rich_help_panel="Data"),
    ] = None,
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
    data_dir: Annotated[
        Path | None, typer.Option(help="The aclImdb folder, for aclimdb.", rich_help_panel="Data")
    ] = None,
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
        str, typer.Option(help=f"Any of {MODELS}, with commas between.", rich_help_panel="Models")
    ] = "all",
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
            help="What networks are trained in: auto, float32 or bfloat16, which the wide ones take where the "
            "device is faster with it.",
            rich_help_panel="Models",
        ),
    ] = "auto",
    quantize: Annotated[
        str | None,
        typer.Option(
            help="int8: compare encoder and decoder with 8-bit copies of themselves, too.", rich_help_panel="Models"
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
    output: Annotated[Path, typer.Option(help="The folder of the runs.", rich_help_panel="Run")] = Path("saved_models"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the finished run.", rich_help_panel="Run")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write Keras's logs for TensorBoard, too.", rich_help_panel="Run")
    ] = False,
) -> None:
    """Train and compare models; leave a run folder with SavedModels and a report."""
    if class_weight not in (None, "balanced"):
        raise UserError(f"--class-weight is {class_weight!r}; the only choice is 'balanced'")
    config = TrainConfig(
        data=DataConfig(
            dataset=dataset,
            data=data,
            text_column=text_column,
            label_column=label_column,
            validation=validation,
            test=test,
            data_dir=data_dir,
            slice_column=slice_column,
            limit=limit,
            seed=seed,
        ),
        models=tuple(name.strip() for name in models.split(",") if name.strip()),
        stopwords=stopwords,
        class_weight=class_weight,
        epochs=epochs,
        budget=None if budget is None else seconds_of(budget),
        precision=precision,
        quantize=quantize,
        seeds=seeds,
        tensorboard=tensorboard,
        run=run,
        output=output,
        overwrite=overwrite,
        seed=seed,
    )
    _prepare_keras()
    from textapp import pipeline

    program = "python train.py" if Path(sys.argv[0]).name == "train.py" else "python -m textapp"
    pipeline.train(config, command=f"{program} {shlex.join(sys.argv[1:])}".strip(), console=_console())


@app.command()
@in_sentences
def clean(
    text: Annotated[str, typer.Argument(help="Any text.")],
    stopwords: Annotated[str, typer.Option(help="As for train.")] = "default",
) -> None:
    """Show what the classifiers see of a text, step by step."""
    from textapp.text.cleaning import make_cleaning

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name, result in make_cleaning(stopwords).steps(text):
        console.print(f"{name}: {result!r}")


@app.command()
@in_sentences
def predict(
    model: Annotated[Path, typer.Option(help="A model's folder, such as saved_models/imdb/encoder.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to classify.")] = None,
    data: Annotated[Path | None, typer.Option(help="A file of texts instead, as for train.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Its column of texts; guessed when obvious.")] = None,
    output: Annotated[Path | None, typer.Option(help="A CSV to write: the file's columns and the answers.")] = None,
) -> None:
    """Classify texts: some on the command line, or a file to a CSV."""
    if bool(texts) == (data is not None):
        raise UserError("predict takes either texts or --data FILE")
    if (output is None) != (data is None):
        raise UserError("--data FILE goes with --output CSV")
    _prepare_keras()
    from textapp import prediction

    classifier = prediction.load_classifier(model)
    if texts:
        for text, label, score in prediction.answers(classifier, texts):
            typer.echo(f"{label}\t{score:.4f}\t{text!r}")
        return
    count = prediction.predict_file(classifier, data, output, text_column=text_column, console=_console())
    typer.echo(f"Wrote {count:,} answers to {output}.")


@app.command()
@in_sentences
def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Two or more finished runs, such as saved_models/imdb, the oldest first."),
    ] = None,
    models: Annotated[str | None, typer.Option(help="Which models, with commas between. (default: all)")] = None,
    output: Annotated[
        Path | None, typer.Option(help="The folder to write. (default: compare-FIRST-LAST beside the last run)")
    ] = None,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit with 1 where a model of the last run is worse.")
    ] = False,
) -> None:
    """Put runs with the same test texts side by side: is a model worse than it was?"""
    from textapp import comparing

    comparing.compare(
        runs or [],
        models=None if models is None else [name.strip() for name in models.split(",")],
        output=output,
        fail_if_worse=fail_if_worse,
        command=f"python -m textapp {shlex.join(sys.argv[1:])}",
        console=_console(),
    )


@app.command()
@in_sentences
def generate(
    model: Annotated[Path, typer.Option(help="A generator's folder, such as saved_models/imdb/decoder.")],
    prompt: Annotated[str, typer.Option(help="The beginning of the text.")] = "",
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens to add.")] = 60,
    samples: Annotated[int, typer.Option(min=1, help="How many texts to write.")] = 1,
    temperature: Annotated[float, typer.Option(help="0 takes the most probable token.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Among this many most probable tokens; 0 for all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Among the fewest tokens of this probability.")] = 0.95,
    seed: Annotated[int, typer.Option(help="The same seed gives the same texts.")] = 0,
) -> None:
    """Continue a prompt."""
    _prepare_keras()
    from textapp import prediction
    from textapp.reports.visible import visible

    generator = prediction.load_generator(model)
    written = generator.generate(
        [prompt] * samples,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )
    for number, text in enumerate(written, start=1):
        if samples > 1:
            typer.echo(f"--- {number} of {samples}")
        typer.echo(visible(text))


@app.command()
@in_sentences
def ablate(
    run: Annotated[Path, typer.Option(help="A finished run's folder, such as saved_models/imdb.")],
    model: Annotated[str, typer.Option(help="A classifier of that run, such as tfidf.")],
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Train a network with this many seeds.")] = 1,
) -> None:
    """Retrain a classifier without each step of its cleaning; the run's report gets the table."""
    _prepare_keras()
    from textapp import ablation

    ablation.ablate(run, model, seeds=seeds, console=_console())


@app.command()
@in_sentences
def report(run: Annotated[Path, typer.Argument(help="A finished run, such as saved_models/imdb.")]) -> None:
    """Write a run's pages and model cards anew, from its report.json."""
    from textapp.finished import FinishedRun
    from textapp.reports.write import write_model_cards, write_report

    finished = FinishedRun(run)
    write_report(finished.report, run / "report")
    write_model_cards(finished.report, run)
    typer.echo(f"Wrote {run / 'report' / 'index.html'}.")


@app.command()
@in_sentences
def export(
    model: Annotated[Path, typer.Option(help="A model's folder, such as saved_models/imdb/encoder.")],
    to: Annotated[Path, typer.Option(help="The folder of all versions, as TensorFlow Serving has it.")],
    version: Annotated[int, typer.Option(min=1, help="The number of the new version.")] = 1,
    file_format: Annotated[
        str, typer.Option("--format", help="savedmodel, or onnx for a network that classifies.")
    ] = "savedmodel",
    quantize: Annotated[str | None, typer.Option(help="int8: weights of 8 bits, for encoder and decoder.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Texts to check it on. (default: the test texts of the model's run)")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Their column; guessed when obvious.")] = None,
) -> None:
    """Write a new version of a model and prove that it answers as the model does."""
    _prepare_keras()
    from textapp import shipping
    from textapp.reports import figures

    certificate = shipping.export_version(
        model,
        to / str(version),
        file_format=file_format,
        quantization=quantize,
        data=data,
        text_column=text_column,
    )
    proof = (
        f"the largest difference of a probability is {certificate['largest_difference']:.1g}"
        if "largest_difference" in certificate
        else f"all {certificate['prompts']} texts it wrote are the same"
    )
    size = figures.size(certificate["bytes"])
    typer.echo(f"Wrote {to / str(version)} ({size}): asked for {certificate['texts']:,} texts, {proof}.")


def _console() -> Console:
    console = Console(highlight=False)
    # Rich takes 80 columns where there is no terminal; a log file has room for the lines.
    return console if console.is_terminal else Console(highlight=False, width=120)


def _prepare_keras() -> None:
    """Load Keras without the log lines that its backend prints while loading, and let it keep its memory."""
    keep_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of tracing for each bucket's width
    sys.stderr.flush()
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        import keras_hub  # noqa: F401
    except ImportError as error:
        raise UserError(f"cannot import {error.name}; run `python -m pip install -r requirements.txt`") from error
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


def run_alone(command: Callable) -> None:
    """Run one command as a program of its own, as train.py does."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command()(command)
    alone()
