"""What the generators of a run write, measured."""

import re

import jsonschema
import numpy as np
import pytest
from helpers import tiny
from helpers.report_schema import VALIDATOR, errors

from textapp import generation, measuring
from textapp.config import MeasureConfig
from textapp.datasets import Dataset
from textapp.fitting import Trained
from textapp.generation import SAMPLERS, controlled, measure_generation


@pytest.fixture(scope="module")
def measured(trained):
    """The measures of a decoder with labels and of an n-gram model, beside a classifier that judges."""
    splits = {name: tiny.split() for name in ("train", "validation", "test")}
    dataset = Dataset(name="tiny", label_names=tiny.LABEL_NAMES, facts={}, notes=[], **splits)
    writer = tiny.make("decoder", label_names=tiny.LABEL_NAMES)
    writer.fit(dataset.train, dataset.validation)
    probabilities = trained("tfidf").predict_proba(tiny.TEXTS)
    models = [
        Trained(name="tfidf", model=trained("tfidf"), folder=None, cost={}, probabilities=probabilities,
                validation_probabilities=probabilities),
        Trained(name="decoder", model=writer, folder=None, cost={}),
        Trained(name="kneser-ney", model=trained("kneser-ney"), folder=None, cost={}),
    ]  # fmt: skip
    with tiny.compiling():
        return measure_generation(models, dataset, MeasureConfig(generated_tokens=8))


def test_every_sampler_of_every_generator(measured):
    rows = [(row["generator"], row["sampler"]) for row in measured["rows"]]
    assert rows[: len(SAMPLERS)] == [("decoder", sampler) for sampler in SAMPLERS]
    assert set(rows[len(SAMPLERS) :]) == {("kneser-ney", name) for name in generation.BASELINES}
    assert {row["fluency_by"] for row in measured["rows"][: len(SAMPLERS)]} == {"kneser-ney"}
    assert all(row["texts"] == 8 == len(measured["prompts"]) for row in measured["rows"])


def test_it_is_what_the_schema_says(measured):
    from helpers.report_example import full_report

    report = full_report()
    report["generation"] = measured
    assert errors(report) == []
    assert isinstance(VALIDATOR, jsonschema.Draft202012Validator)


def test_control_has_a_row_for_each_strength(measured):
    assert [row["guidance"] for row in measured["control"]] == list(generation.GUIDANCE)
    for row in measured["control"]:
        assert set(row["shares"]) == set(tiny.LABEL_NAMES)
        assert row["texts"] == 3 * 3 * 5
        assert 0 <= row["share"] <= 1
    assert measured["judge"] == "tfidf"


def test_texts_and_speeds(measured):
    assert [sample["prompt"] for sample in measured["samples"][:5]] == list(generation.PROMPTS)
    assert set(measured["samples"][0]["texts"]) == set(SAMPLERS)
    reading = {row["generator"]: row["prefill_tokens_per_second"] for row in measured["speed"]}
    assert reading["decoder"] > 0
    assert reading["kneser-ney"] is None


def test_nothing_writes():
    assert measure_generation([], None, MeasureConfig()) is None


class Parrot:
    most_new_tokens = 99
    label_names = ("bad", "good")

    def __init__(self, tokens=()):
        self.tokens = list(tokens)

    def start_ids(self, label):
        return [0, *self.tokens]

    def generate(self, prompts, *, label=None, guidance=1.0, samples=1, **_):
        return [f"{prompt} {label or 'free'} {number}" for prompt in prompts for number in range(samples)]


class Judge:
    def predict(self, texts):
        return ["good" if re.search("good|0", text) else "bad" for text in texts]


def test_what_has_a_token_for_a_label_is_asked_by_it_alone_too():
    for tokens, strengths in (([7], [0.0, 1.0]), ([], [1.0])):
        rows = generation._control("parrot", {"parrot": Parrot(tokens)}, ("judge", Judge()), MeasureConfig(), seed=0)
        assert [row["guidance"] for row, _ in rows] == strengths


@pytest.mark.slow
def test_a_short_context_has_room_for_what_is_asked(trained):
    splits = {name: tiny.split() for name in ("train", "validation", "test")}
    dataset = Dataset(name="tiny", label_names=tiny.LABEL_NAMES, facts={}, notes=[], **splits)
    writer = tiny.make("decoder", context=8, label_names=tiny.LABEL_NAMES)
    writer.fit(dataset.train, dataset.validation)
    measure = MeasureConfig(generated_tokens=8)
    row, texts = controlled(writer, trained("tfidf"), tiny.LABEL_NAMES, guidance=1, samples=1)
    assert row["texts"] == len(texts) == 9
    assert generation._speed(writer, measure)["decode_tokens_per_second_batch_1"] > 0
    nats = writer.negative_log_likelihoods(dataset.test.texts)
    cost = {"bytes_on_disk": 0}
    found = Trained(name="decoder", model=writer, folder=None, cost=cost, nats=nats)
    row = measuring.generator_row(found, dataset, measure)
    assert {sample["max_new_tokens"] for sample in row["samples"]} == {7}
    assert np.isfinite(row["bits_per_byte"])


def test_control_by_hand():
    row, texts = controlled(Parrot(), Judge(), ["good", "bad"], guidance=2, samples=2, prompts=["a"])
    assert texts == ["a good 0", "a good 1", "a bad 0", "a bad 1"]
    assert row["shares"] == {"good": 1, "bad": 0.5}
    assert row["share"] == 0.75
    assert row["distinct_2"] == row["free_distinct_2"] == 1
