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

from textapp.config import DataConfig, PretrainConfig, TrainConfig, counts_of, seconds_of
from textapp.errors import UserError
from textapp.memory import keep_memory

# In words, since importing the dicts takes Keras and seconds; a test holds them against the dicts.
DATASETS = "imdb, rotten_tomatoes, aclimdb"
MODELS = "majority, tfidf, nbsvm, lstm, encoder, minilm, bigram, kneser-ney, decoder, lstm-lm, causal-lm"
DRAWING, WORDS, CONTROL = "Which tokens", "Which words", "What it is like"  # of generate's options
INTERRUPTED = 130  # as shells report a process that Ctrl-C ended

# Options of several commands.
TextColumn = Annotated[
    str | None, typer.Option(help="Its column of texts; guessed when obvious.", rich_help_panel="Data")
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Its column of labels; guessed when obvious.", rich_help_panel="Data")
]
AclImdb = Annotated[Path | None, typer.Option(help="The aclImdb folder, for aclimdb.", rich_help_panel="Data")]
Output = Annotated[Path, typer.Option(help="The folder of the runs.", rich_help_panel="Run")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the finished run.", rich_help_panel="Run")]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run of these options that was interrupted.", rich_help_panel="Run"),
]

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
            left = "What there is of the run is in a folder that ends in .unfinished; go on with --resume."
            runs = command.__name__ in ("train", "pretrain")
            errors.print(f"Interrupted. {left if runs else 'Nothing was changed.'}")
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
    resume: Resume = False,
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
        resume=resume,
        seed=seed,
    )
    _prepare_keras()
    from textapp import pipeline

    program = "python train.py" if Path(sys.argv[0]).name == "train.py" else "python -m textapp"
    pipeline.train(config, command=f"{program} {shlex.join(sys.argv[1:])}".strip(), console=_console())


@app.command()
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
    resume: Resume = False,
) -> None:
    """Let a network learn from texts without their labels; train --init-from starts from it."""
    columns = {"text_column": text_column, "label_column": label_column}
    files = {"data": data, "validation": validation, "test": test, "data_dir": data_dir}
    read = None
    if dataset is not None or data is not None or not unlabelled:
        read = DataConfig(dataset=dataset or "imdb", seed=seed, **columns, **files)
    elif stray := [name for name, value in (files | {"label_column": label_column}).items() if value is not None]:
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
        resume=resume,
        seed=seed,
    )
    _prepare_keras()
    from textapp import pretraining

    pretraining.pretrain(config, command=f"python -m textapp {shlex.join(sys.argv[1:])}", console=_console())


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
    prompts: Annotated[Path | None, typer.Option(help="A file of prompts instead, one a line.")] = None,
    output: Annotated[Path | None, typer.Option(help="A CSV to write: prompts, samples and texts.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Show the text while it is written.")] = False,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens to add.")] = 60,
    min_new_tokens: Annotated[int, typer.Option(help="The fewest.")] = 0,
    samples: Annotated[int, typer.Option(min=1, help="How many texts to write for a prompt.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same texts.")] = 0,
    temperature: Annotated[float, typer.Option(help="0 takes the most probable token.", rich_help_panel=DRAWING)] = 0.8,
    top_k: Annotated[
        int, typer.Option(help="Among this many most probable tokens; 0 for all.", rich_help_panel=DRAWING)
    ] = 0,
    top_p: Annotated[
        float, typer.Option(help="Among the fewest tokens of this probability.", rich_help_panel=DRAWING)
    ] = 0.95,
    min_p: Annotated[
        float,
        typer.Option(help="Among tokens with this share of the best one's probability.", rich_help_panel=DRAWING),
    ] = 0.0,
    beams: Annotated[
        int,
        typer.Option(help="Search the most probable text with this many; nothing is drawn.", rich_help_panel=DRAWING),
    ] = 1,
    contrastive: Annotated[
        float,
        typer.Option(help="Weight of contrastive search, such as 0.6; nothing is drawn.", rich_help_panel=DRAWING),
    ] = 0.0,
    repetition_penalty: Annotated[
        float,
        typer.Option(help="Log-probabilities of tokens that are there, times this.", rich_help_panel=WORDS),
    ] = 1.0,
    no_repeat_ngram: Annotated[
        int, typer.Option(help="No run of this many tokens comes twice; 0 lets them.", rich_help_panel=WORDS)
    ] = 0,
    ban: Annotated[
        list[str] | None, typer.Option(help="No word begins with this; give it again for more.", rich_help_panel=WORDS)
    ] = None,
    ban_file: Annotated[
        Path | None, typer.Option(help="A file of such words, one a line.", rich_help_panel=WORDS)
    ] = None,
    force: Annotated[
        list[str] | None, typer.Option(help="The text has this; give it again for more.", rich_help_panel=WORDS)
    ] = None,
    force_file: Annotated[
        Path | None, typer.Option(help="A file of such words, one a line.", rich_help_panel=WORDS)
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(help="The text ends before this; give it again for more.", rich_help_panel=WORDS),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="What the text is to be like, such as positive.", rich_help_panel=CONTROL)
    ] = None,
    guidance: Annotated[
        float,
        typer.Option(help="How far to obey the label; 0 as the network learned it.", rich_help_panel=CONTROL),
    ] = 1.0,
    best_of: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Write this many and keep those most sure to be --label by --classifier.",
            rich_help_panel=CONTROL,
        ),
    ] = None,
    classifier: Annotated[
        Path | None, typer.Option(help="Its folder, such as saved_models/imdb/nbsvm.", rich_help_panel=CONTROL)
    ] = None,
) -> None:
    """Continue a prompt, or every line of a file."""
    if prompts is not None and prompt:
        raise UserError("generate takes either --prompt or --prompts FILE")
    if (best_of is None) != (classifier is None) or (best_of is not None and label is None):
        raise UserError("--best-of N goes with --classifier FOLDER and --label NAME")
    if stream and (prompts is not None or output is not None or samples > 1 or best_of is not None):
        raise UserError(
            "--stream shows one text of one --prompt; leave out --prompts, --output, --samples and --best-of"
        )
    _prepare_keras()
    from textapp import prediction
    from textapp.reports.visible import visible

    generator = prediction.load_generator(model)
    settings = {
        "max_new_tokens": max_new_tokens,
        "min_new_tokens": min_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram": no_repeat_ngram,
        "banned": [*(ban or ()), *prediction.read_lines(ban_file)],
        "forced": [*(force or ()), *prediction.read_lines(force_file)],
        "stop": stop or (),
        "beams": beams,
        "contrastive": contrastive,
        "guidance": guidance,
        "seed": seed,
    }
    if stream:
        for piece in generator.stream(prompt, label=label, **settings):
            typer.echo(visible(piece), nl=False)
        typer.echo()
        return
    given = [prompt] if prompts is None else prediction.read_lines(prompts)
    judge = None if classifier is None else prediction.load_classifier(classifier)
    written = prediction.write_texts(
        generator, given, label=label, judge=judge, best_of=best_of, samples=samples, **settings
    )
    if output is not None:
        prediction.save_texts(output, given, written, samples=samples)
        typer.echo(f"Wrote {len(written):,} texts to {output}.")
        return
    for number, text in enumerate(written):
        if len(written) > 1:
            place = f" of prompt {number // samples + 1}" if len(given) > 1 else ""
            typer.echo(f"--- {number % samples + 1} of {samples}{place}")
        typer.echo(visible(text))


@app.command()
@in_sentences
def serve(
    model: Annotated[Path, typer.Option(help="A model's folder, such as saved_models/imdb/decoder.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0 for any free port.")] = 8000,
    host: Annotated[str, typer.Option(help="Who may ask: by default this machine alone.")] = "127.0.0.1",
) -> None:
    """Answer over HTTP: POST /predict for a classifier, POST /generate for a generator."""
    _prepare_keras()
    from textapp import serving
    from textapp.models import load

    with serving.Server(load(model), host=host, port=port) as server:
        typer.echo(f"{model} answers at {server.url}; end it with Ctrl-C.")
        server.serve_forever()


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
