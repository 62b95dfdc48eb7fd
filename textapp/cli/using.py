"""Commands that make use of a trained model."""

from __future__ import annotations

import contextlib
import errno
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from textapp.cli.options import Device
from textapp.cli.program import console, in_sentences, prepare_keras
from textapp.errors import UserError

DRAWING, WORDS, CONTROL = "Which tokens", "Which words", "What it is like"  # of generate's options


@in_sentences
def predict(
    model: Annotated[Path, typer.Option(help="A model's folder, such as saved_models/imdb/encoder.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to classify.")] = None,
    data: Annotated[Path | None, typer.Option(help="A file of texts instead, as for train.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Its column of texts; guessed when obvious.")] = None,
    output: Annotated[Path | None, typer.Option(help="A CSV to write: the file's columns and the answers.")] = None,
    device: Device = "auto",
) -> None:
    """Classify texts: some on the command line, or a file to a CSV."""
    if bool(texts) == (data is not None):
        raise UserError("predict takes either texts or --data FILE")
    if (output is None) != (data is None):
        raise UserError("--data FILE goes with --output CSV")
    prepare_keras(device)
    from textapp import prediction

    classifier = prediction.load_classifier(model)
    if texts:
        for text, label, score in prediction.answers(classifier, texts):
            typer.echo(f"{label}\t{score:.4f}\t{text!r}")
        return
    assert data is not None and output is not None  # where there are no texts
    count = prediction.predict_file(classifier, data, output, text_column=text_column, console=console())
    typer.echo(f"Wrote {count:,} answers to {output}.")


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
    device: Device = "auto",
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
    prepare_keras(device)
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
    with contextlib.nullcontext() if output is None else prediction.whole_csv(output) as file:
        written = prediction.write_texts(
            generator, given, label=label, judge=judge, best_of=best_of, samples=samples, **settings
        )
        if file is not None:
            prediction.save_texts(file, given, written, samples=samples)
    if output is not None:
        typer.echo(f"Wrote {len(written):,} texts to {output}.")
        return
    for number, text in enumerate(written):
        if len(written) > 1:
            place = f" of prompt {number // samples + 1}" if len(given) > 1 else ""
            typer.echo(f"--- {number % samples + 1} of {samples}{place}")
        typer.echo(visible(text))


@in_sentences
def serve(
    model: Annotated[Path, typer.Option(help="A model's folder, such as saved_models/imdb/decoder.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0 for any free port.")] = 8000,
    host: Annotated[str, typer.Option(help="Who may ask: by default this machine alone.")] = "127.0.0.1",
    device: Device = "auto",
) -> None:
    """Answer over HTTP: POST /predict for a classifier, POST /generate for a generator."""
    prepare_keras(device, keeps_memory=False)
    from textapp import serving
    from textapp.models import load

    try:
        server = serving.Server(load(model), host=host, port=port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise UserError(f"port {port} is taken on {host}; choose another with --port") from error
    stopping = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopping.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    typer.echo(f"{model} answers at {server.url}; end it with Ctrl-C.")
    stopping.wait()
    server.stop()
    typer.echo("Stopped.")


@in_sentences
def export(
    model: Annotated[
        Path | None, typer.Option(help="A model's folder, such as saved_models/imdb/encoder, with --to.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="The folder of all versions, as TensorFlow Serving has it.")] = None,
    run: Annotated[
        Path | None, typer.Option(help="A finished run instead: add the SavedModels that it has not, and report them.")
    ] = None,
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
    """Write a new version of a model, or the SavedModels of a run, and prove that they answer as the models do."""
    if (run is None) == (model is None) or (model is None) != (to is None):
        raise UserError("export takes either --model FOLDER with --to FOLDER, or --run FOLDER")
    prepare_keras()
    from textapp import shipping

    if run is not None:
        added = shipping.complete_run(run, console=console())
        done = f"Added SavedModels of {', '.join(added)} to" if added else "No SavedModel is missing in"
        typer.echo(f"{done} {run}.")
        return
    from textapp.reports import figures

    assert model is not None and to is not None  # where there is no run
    certificate = shipping.export_version(
        model,
        to / str(version),
        file_format=file_format,
        quantization=quantize,
        data=data,
        text_column=text_column,
    )
    proof = (
        f"asked for {certificate['texts']:,} texts, the largest difference of a probability is "
        f"{certificate['largest_difference']:.1g}"
        if "prompts" not in certificate
        else f"it wrote {certificate['prompts']:,} texts as its model does, and the largest difference of a token's "
        f"log-probability is {certificate['largest_difference']:.1g}"
    )
    typer.echo(f"Wrote {to / str(version)} ({figures.size(certificate['bytes'])}): {proof}.")
