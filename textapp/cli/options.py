"""Options of several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# In words, since importing the dicts takes Keras and seconds; a test holds them against the dicts.
DATASETS = "imdb, rotten_tomatoes, aclimdb"
MODELS = "majority, tfidf, nbsvm, lstm, encoder, minilm, bigram, kneser-ney, decoder, lstm-lm, causal-lm"

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
