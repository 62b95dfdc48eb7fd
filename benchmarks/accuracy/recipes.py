"""Named recipes: command lines of this project, and the figure that each is to reach."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

LINEAR = ("tfidf", "nbsvm")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Commands and what they are to reach.

    Attributes:
        title: of the table.
        steps: command lines. {output} is the folder of the runs, {data}, {validation}, {test} and {unlabelled} are
            the user's files, {seed} and {seeds} what they chose. The last word of a line names its run.
        files: which of those files are needed.
        reaches: takes the reports, {run: report.json}, and returns a figure.
        figure: what that is, in words, and
        least: how much it is to be.
    """

    title: str
    steps: tuple[str, ...]
    reaches: Callable[[dict[str, dict]], float]
    figure: str
    least: float
    files: tuple[str, ...] = ()


def row_of(report: dict, model: str) -> dict:
    """Return a classifier's row."""
    return next(row for row in report["classifiers"] if row["name"] == model)


def accuracy(run: str, model: str) -> Callable[[dict[str, dict]], float]:
    """Return what reads a model's accuracy on the test texts, the mean over its seeds where there are several."""

    def read(reports: dict[str, dict]) -> float:
        row = row_of(reports[run], model)
        return row["seeds"]["mean"] if row["seeds"] else row["metrics"]["accuracy"]

    return read


def _points_over_linear(reports: dict[str, dict]) -> float:
    f1 = {row["name"]: row["metrics"]["macro_f1"] for row in reports["tweets"]["classifiers"]}
    return 100 * (f1["minilm"] - max(f1[name] for name in LINEAR))


def _best(reports: dict[str, dict]) -> float:
    return max(row["metrics"]["accuracy"] for row in reports["hotel"]["classifiers"])


def _gain_of_pairs(reports: dict[str, dict]) -> float:
    return 100 * (accuracy("nsp", "encoder")(reports) - accuracy("encoder_mlm", "encoder")(reports))


TRAIN = "train.py --seed {seed} --seeds {seeds} --output {output}"
PRETRAIN = "-m textapp pretrain --seed {seed} --output {output}"
OWN = f"{TRAIN} --data {{data}} --validation {{validation}} --test {{test}}"
MLM = f"{PRETRAIN} --objective mlm --dataset imdb --unlabelled {{unlabelled}} --layers 2 --embedding-dim 128"
WORDS = f"{MLM} --budget 20m --run words"
AFTER_WORDS = f"{TRAIN} --models nbsvm,encoder --init-from {{output}}/words --label-counts 100,1000 --run encoder_mlm"
LINEAR_RUN = f"{TRAIN} --models nbsvm --run linear"
BY_LINEAR = "--teacher {output}/linear/nbsvm --unlabelled {unlabelled}"
TAUGHT = f"{TRAIN} --models nbsvm,lstm {BY_LINEAR} --run lstm"
ENCODER_TAUGHT = f"{TRAIN} --models nbsvm,encoder {BY_LINEAR} --run encoder"
TEACHER = f"{TRAIN} --models tfidf,nbsvm,minilm --run minilm"
RECIPES: dict[str, Recipe] = {
    "minilm": Recipe(
        title="IMDB: MiniLM fine-tuned",
        steps=(TEACHER,),
        reaches=accuracy("minilm", "minilm"),
        figure="accuracy of minilm",
        least=0.92,
    ),
    "encoder_mlm": Recipe(
        title="IMDB: the encoder after masked words of 67,000 reviews, and after fewer labels",
        steps=(WORDS, AFTER_WORDS),
        reaches=accuracy("encoder_mlm", "encoder"),
        figure="accuracy of encoder",
        least=0.905,
        files=("unlabelled",),
    ),
    "encoder": Recipe(
        title="IMDB: the encoder, its words' vectors from 69,000 reviews, taught by NB-SVM",
        steps=(LINEAR_RUN, ENCODER_TAUGHT),
        reaches=accuracy("encoder", "encoder-distilled"),
        figure="accuracy of encoder-distilled",
        least=0.905,
        files=("unlabelled",),
    ),
    "lstm": Recipe(
        title="IMDB: the LSTM taught by NB-SVM",
        steps=(LINEAR_RUN, TAUGHT),
        reaches=accuracy("lstm", "lstm-distilled"),
        figure="accuracy of lstm-distilled",
        least=0.89,
        files=("unlabelled",),
    ),
    "distilled": Recipe(
        title="IMDB: the encoder taught by MiniLM",
        steps=(
            TEACHER,
            f"{TRAIN} --models nbsvm,encoder --teacher {{output}}/minilm/minilm --unlabelled {{unlabelled}} "
            "--run distilled",
        ),
        reaches=accuracy("distilled", "encoder-distilled"),
        figure="accuracy of encoder-distilled",
        least=0.905,
        files=("unlabelled",),
    ),
    "ensemble": Recipe(
        title="IMDB: classifiers together",
        steps=(
            TEACHER,
            LINEAR_RUN,
            TAUGHT,
            ENCODER_TAUGHT,
            f"{TRAIN} --models tfidf,nbsvm --ensemble-with "
            "{output}/minilm/minilm,{output}/lstm/lstm-distilled,{output}/encoder/encoder-distilled "
            "--run ensemble",
        ),
        reaches=accuracy("ensemble", "ensemble"),
        figure="accuracy of ensemble",
        least=0.93,
        files=("unlabelled",),
    ),
    "tweets": Recipe(
        title="Airline tweets, three classes",
        steps=(f"{TRAIN} --data {{data}} --models tfidf,nbsvm,minilm --run tweets",),
        reaches=_points_over_linear,
        figure="points of macro-F1 of minilm over the better linear model",
        least=4.0,
        files=("data",),
    ),
    "sst2": Recipe(
        title="SST-2, the standard split",
        steps=(f"{OWN} --models tfidf,nbsvm,minilm --run sst2",),
        reaches=accuracy("sst2", "minilm"),
        figure="accuracy of minilm",
        least=0.89,
        files=("data", "validation", "test"),
    ),
    "trec": Recipe(
        title="TREC, six classes",
        steps=(f"{TRAIN} --data {{data}} --test {{test}} --stopwords none --models tfidf,nbsvm,minilm --run trec",),
        reaches=accuracy("trec", "minilm"),
        figure="accuracy of minilm",
        least=0.95,
        files=("data", "test"),
    ),
    "hotel": Recipe(
        title="Chinese hotel reviews, one character a token",
        steps=(f"{TRAIN} --data {{data}} --stopwords none --models tfidf,nbsvm,lstm,encoder --run hotel",),
        reaches=_best,
        figure="accuracy of the best model",
        least=0.88,
        files=("data",),
    ),
    "nsp": Recipe(
        title="IMDB: what next-sentence prediction adds to masked words",
        steps=(
            WORDS,
            f"{MLM} --nsp --budget 20m --run words-and-pairs",
            AFTER_WORDS,
            f"{TRAIN} --models nbsvm,encoder --init-from {{output}}/words-and-pairs --run nsp",
        ),
        reaches=_gain_of_pairs,
        figure="points of accuracy that pairs add",
        least=0.0,
        files=("unlabelled",),
    ),
}
