"""Our side: textapp's classes as its users get them. It also writes the data that both sides read."""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import numpy as np

from benchmarks.peers import work, worker
from benchmarks.peers.batches_file import save_batches
from textapp.config import DataConfig
from textapp.datasets import Dataset, Split, load_dataset
from textapp.machine import device, has_bfloat16, has_gpu, versions
from textapp.models import CLASSIFIERS, Decoder, decoder, network
from textapp.models.decoding import generate_ids
from textapp.models.keras_file import COMPILE
from textapp.models.layers import drop_no_attention
from textapp.text.cache import CachedCleaning
from textapp.text.cleaning import load_stopwords, make_cleaning
from textapp.text.subwords import END_ID
from textapp.text.vocabulary import Vocabulary
from textapp.training.batches import WORKERS, Batches
from textapp.training.dispatch import dispatched
from textapp.training.windows import score_windows

DECODER_TEXTS = 6_000  # enough for the subwords and the windows
BATCHES = (1, 16, 64)  # of prompts
FIRST_STEPS = 20  # of the decoders that generate, so that both have learned which tokens are frequent
# BERT cuts texts so before it cuts words into pieces; about every tenth token more would be a piece.
BERT_TOKENS = re.compile(r"\w+|[^\w\s]")


class Ours(worker.Side):
    """textapp's side.

    Args:
        folder: where the data of both sides goes.
        scale: times the amount of work.
        limit: the most reviews of a split; None for all.
    """

    def __init__(self, folder: Path, *, scale: float, limit: int | None = None):
        super().__init__(folder, scale=scale, gpu=has_gpu())
        self._limit = limit
        self._caches: list[tempfile.TemporaryDirectory] = []

    def facts(self) -> dict:
        """Return the device and the version of each package."""
        return {"device": device(), **versions()}

    def linear(self) -> dict:
        """Return rows of [model, seconds of the training, accuracy on the validation texts]."""
        data, rows = self._dataset, []
        content = {
            name: {"texts": list(split.texts), "labels": split.labels.tolist()}
            for name, split in (("train", data.train), ("validation", data.validation))
        }
        (self._folder / "linear.json").write_text(json.dumps(content), encoding="utf-8")
        for name in ("tfidf", "nbsvm"):
            start = time.perf_counter()
            # Nothing of it is cached: the peers clean their texts, too.
            model = CLASSIFIERS[name](label_names=data.label_names, cleaning=self._new_cleaning())
            model.fit(data.train, data.validation)
            seconds = time.perf_counter() - start
            answers = model.predict_proba(data.validation.texts).argmax(axis=1)
            rows.append([f"textapp {name}", seconds, float((answers == data.validation.labels).mean())])
        return {"rows": rows}

    def _prepare_lstm(self) -> None:
        options = {"units": work.WIDTH, "bidirectional": True}
        self._prepare_classifier("lstm", options)

    def _prepare_encoder(self) -> None:
        self._prepare_classifier("encoder", work.ENCODER)

    def _prepare_classifier(self, name: str, options: dict) -> None:
        data = self._dataset
        model = CLASSIFIERS[name](
            label_names=data.label_names,
            cleaning=_cleaning(),
            vocabulary_size=work.VOCABULARY,
            sequence_length=work.LONGEST,
            embedding_dim=work.WIDTH,
            batch_size=work.BATCH,
            bigrams=0,  # the peers' networks have none
            **options,
        )
        untrained, batches = self._untrained(model, network, data.train, data.validation)
        texts = data.train.texts[: work.BATCH * self._amount(f"{name}_predict")]
        self._measure_classifier(name, untrained, batches, model.batches(texts))

    def _prepare_minilm(self) -> None:
        data, sizes = self._dataset, work.MINILM
        hashed = sizes["vocabulary_size"] - 2
        rows = [
            np.array([zlib.crc32(token.encode()) % hashed + 2 for token in BERT_TOKENS.findall(text.lower())], np.int32)
            for text in data.train.texts
        ]
        backbone = keras_hub.models.BertBackbone(
            vocabulary_size=sizes["vocabulary_size"],
            num_layers=sizes["layers"],
            num_heads=sizes["heads"],
            hidden_dim=sizes["hidden_dim"],
            intermediate_dim=sizes["intermediate_dim"],
            dropout=0.1,
            dtype="mixed_bfloat16" if has_bfloat16() else "float32",
        )
        drop_no_attention(backbone)  # as in textapp.models.presets
        inputs = {name: keras.Input((None,), dtype=kind, name=name) for name, kind in _INPUTS.items()}
        pooled = backbone({**inputs, "segment_ids": keras.ops.zeros_like(inputs["token_ids"])})["pooled_output"]
        logits = keras.layers.Dense(work.CLASSES, dtype="float32", name="logits")(pooled)
        untrained = keras.Model(inputs, logits)
        untrained.compile(
            optimizer=keras.optimizers.AdamW(8e-5),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=COMPILE,
        )
        settings = {"batch_size": work.MINILM_BATCH, "sequence_length": work.LONGEST}
        count = self._amount("minilm_predict") * work.MINILM_BATCH
        self._measure_classifier(
            "minilm",
            untrained,
            Batches(rows, data.train.labels, **settings, seed=0),
            Batches(rows[:count], **settings),
        )

    def _measure_classifier(self, name: str, model: keras.Model, train: Batches, texts: Batches) -> None:
        """Let a network train on the first batches of the one and answer to the others."""
        self._measure_training(f"{name}_train", model, train)
        read = [texts[index][0] for index in range(len(texts))]
        nothing = [np.zeros(len(inputs["token_ids"]), np.int32) for inputs in read]
        save_batches(self._folder / f"{name}_predict.npz", list(zip(read, nothing, strict=True)))

        def predict() -> int:
            answers = [model.predict_on_batch(texts[index][0]) for index in range(len(texts))]
            return len(texts.put_back(answers))

        self._measured[f"{name}_predict"] = predict

    def _measure_training(self, name: str, model: keras.Model, batches: Batches) -> None:
        same = _Same(batches, self._amount(name))
        save_batches(self._folder / f"{name}.npz", [same[index][:2] for index in range(len(same))])
        count = sum(len(same[index][1]) for index in range(len(same)))
        given = _dispatched(model, same)

        def train() -> int:
            model.fit(given, verbose=0)
            return count

        self._measured[name] = train

    def _untrained(self, model, module, *splits: Split) -> tuple[keras.Model, Sequence]:
        """Return the compiled network and the batches that the model's own `fit` would train it on."""
        with mock.patch.object(module, "fit", return_value=[]) as fit:
            model.fit(*splits)
        return fit.call_args.args[:2]

    @functools.cached_property
    def _decoder(self) -> tuple[Decoder, keras.Model, Sequence]:
        data = self._dataset
        train = Split(*(part[:DECODER_TEXTS] for part in (data.train.texts, data.train.labels, data.train.rows)))
        model = Decoder(**work.DECODER, batch_size=work.DECODER_BATCH)
        untrained, windows = self._untrained(model, decoder, train, data.validation)
        wanted = max(self._amount("decoder_train"), FIRST_STEPS)
        given = [windows[index] for index in range(wanted)]
        content = [np.concatenate([inputs["token_ids"], targets[:, -1:]], axis=1) for inputs, targets, _ in given]
        np.savez(self._folder / "windows.npz", windows=np.stack(content))  # (batches, B, T + 1)
        return model, untrained, windows

    def _prepare_decoder(self) -> None:
        model, untrained, windows = self._decoder
        same = _Same(windows, self._amount("decoder_train"))
        given = _dispatched(untrained, same)

        def train() -> int:
            untrained.fit(given, verbose=0)
            return len(same) * work.DECODER_BATCH * work.DECODER["context"]

        self._measured["decoder_train"] = train
        texts = self._dataset.validation.texts[:500]
        scored = score_windows(model.subwords.encode(texts), context=work.DECODER["context"], end_id=END_ID)
        read = [scored[index][0] for index in range(self._amount("decoder_predict"))]
        np.savez(self._folder / "scored.npz", token_ids=np.stack([inputs["token_ids"] for inputs in read]))
        plain = keras.Model(model.network.input, model.network.output)
        plain.compile(jit_compile=COMPILE)

        def predict() -> int:
            return sum(plain.predict_on_batch(inputs)[..., 0].size for inputs in read)

        self._measured["decoder_predict"] = predict

    def _prepare_generation(self) -> None:
        model, untrained, windows = self._decoder
        untrained.fit(_dispatched(untrained, _Same(windows, FIRST_STEPS)), verbose=0)
        model.network = _Endless(model.network.backbone)
        model.network.compile(jit_compile=COMPILE)
        prompts = list(itertools.islice(self._prompts(model, self._dataset.test.texts), max(BATCHES)))
        ids = [[END_ID, *row] for row in model.subwords.encode(prompts)]
        np.savez(self._folder / "prompts.npz", token_ids=np.array(ids, np.int64))
        for batch in BATCHES:
            self._measured[f"generate_{batch}"] = functools.partial(self._generate, model, prompts, batch)

    @staticmethod
    def _prompts(model: Decoder, texts: Sequence[str]) -> Iterator[str]:
        """Yield beginnings of texts that have as many tokens as asked for, the end of text before them included."""
        for text, ids in zip(texts, model.subwords.encode(texts), strict=True):
            prompt = model.subwords.decode(ids[: work.PROMPT - 1])
            if text.startswith(prompt) and len(model.subwords.encode([prompt])[0]) == work.PROMPT - 1:
                yield prompt

    def _generate(self, model: Decoder, prompts: list[str], batch: int) -> int:
        times = self._amount(f"generate_{batch}")
        for seed in range(times):
            first = seed % (len(prompts) - batch + 1)
            chosen = prompts[first : first + batch]
            model.generate(chosen, max_new_tokens=work.NEW_TOKENS, seed=seed, compiled=True, **work.SAMPLING)
        return times * batch * work.NEW_TOKENS

    def _prepare_text(self) -> None:
        texts = list(self._dataset.train.texts[: work.TEXTS])
        content = {"texts": texts[: work.LOOP_TEXTS], "stopwords": sorted(load_stopwords("default"))}
        (self._folder / "texts.json").write_text(json.dumps(content), encoding="utf-8")

        def encode(cleaning: CachedCleaning) -> int:
            tokens = cleaning(texts)
            rows = Vocabulary.build(tokens, size=work.VOCABULARY).encode(tokens)
            rows.take(np.arange(len(tokens.ids)))
            return len(rows)

        # A new object knows no texts, so the second way reads what the first has put on the disk.
        self._measured["text_first"] = lambda: encode(self._new_cleaning())
        self._measured["text_cache"] = lambda: encode(CachedCleaning(make_cleaning()))

    @functools.cached_property
    def _dataset(self) -> Dataset:
        return load_dataset(DataConfig(dataset="imdb", limit=self._limit))

    def _new_cleaning(self) -> CachedCleaning:
        """Return a cleaning whose cache is empty."""
        self._caches.append(tempfile.TemporaryDirectory(dir=self._folder))
        os.environ["TEXTAPP_CACHE"] = self._caches[-1].name
        return CachedCleaning(make_cleaning())


class _Same(keras.utils.PyDataset):
    """The first whole batches of a dataset, the same in every epoch."""

    def __init__(self, batches: keras.utils.PyDataset, count: int):
        super().__init__(workers=WORKERS)  # with one thread the end of an epoch would wait, as in no training of ours
        sizes = [len(batches[index][1]) for index in range(len(batches))]
        self._batches = batches
        self._chosen = [index for index, size in enumerate(sizes) if size == max(sizes)][:count]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int):
        return self._batches[self._chosen[index]]

    def shape(self, index: int) -> tuple[int, ...]:
        return self._batches.shape(self._chosen[index])


def _dispatched(network: keras.Model, batches: _Same) -> keras.utils.PyDataset:
    """Return the batches as textapp's own `fit` gives them to Keras."""
    network.test_on_batch(*batches[0])
    return dispatched(network, batches)


class _Endless(decoder.TextGPT2):
    """Writes as many tokens as it is asked for: no id ends a text."""

    def generate_step(self, inputs, stop_token_ids=None):
        return generate_ids(self, inputs, end_id=-1)


_INPUTS = {"token_ids": "int32", "padding_mask": "bool"}


@functools.cache
def _cleaning() -> CachedCleaning:
    return CachedCleaning(make_cleaning())
