"""The peers' side, as people write it: torch, transformers, NLTK in a loop, fastText, scikit-learn. No textapp."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers

from benchmarks.peers import work, worker
from benchmarks.peers.batches_file import load_batches

PACKAGES = ("torch", "transformers", "nltk", "fasttext-wheel", "scikit-learn", "numpy")
FIRST_STEPS = 20  # as in ours


class LSTM(torch.nn.Module):
    """textapp's default LSTM: what it reads, drops and pools."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(work.VOCABULARY, work.WIDTH)
        self.token_dropout = torch.nn.Dropout1d(0.5)
        self.lstm = torch.nn.LSTM(work.WIDTH, work.WIDTH, batch_first=True, bidirectional=True)
        self.dropout = torch.nn.Dropout(0.5)
        self.logits = torch.nn.Linear(4 * work.WIDTH, work.CLASSES)

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        embedded = self.token_dropout(self.embedding(token_ids).transpose(1, 2)).transpose(1, 2)  # whole channels
        hidden, _ = self.lstm(embedded)  # (B, T, 2 D)
        mask = mask.unsqueeze(-1)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        maximum = hidden.masked_fill(~mask, -1e4).max(1).values
        return self.logits(self.dropout(torch.cat([mean, maximum], dim=1)))


class Bert(torch.nn.Module):
    """transformers' classifier, called as the LSTM is."""

    def __init__(self, **sizes):
        super().__init__()
        self.bert = transformers.BertForSequenceClassification(transformers.BertConfig(num_labels=2, **sizes))

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.bert(input_ids=token_ids, attention_mask=mask.long()).logits


class Theirs(worker.Side):
    """The peers' side.

    Args:
        folder: where ours has put the data of both sides.
        device: "cpu" or "gpu", where torch compiles the networks.
        threads: of torch.
        scale: times the amount of work.
    """

    def __init__(self, folder: Path, *, device: str, threads: int, scale: float):
        super().__init__(folder, scale=scale, gpu=device == "gpu")
        self._device = torch.device("cuda" if self._gpu else "cpu")
        torch.set_num_threads(threads)
        torch.manual_seed(0)

    def facts(self) -> dict:
        """Return the version of each package."""
        installed = {found.name: found.version for found in importlib.metadata.distributions()}
        return {name: installed[name] for name in PACKAGES if name in installed}

    def linear(self) -> dict:
        """Return rows of [model, seconds of the training, accuracy on the validation texts]."""
        data = json.loads((self._folder / "linear.json").read_text(encoding="utf-8"))
        return {"rows": [self._fasttext(data), self._tfidf(data)]}

    def _fasttext(self, data: dict) -> list:
        import fasttext

        start = time.perf_counter()
        for name, split in data.items():
            # As in fastText's own example: punctuation apart, lower case.
            spaced = [re.sub(r"([.!?,/()])", r" \1 ", text).lower() for text in split["texts"]]
            lines = [
                f"__label__{label} {' '.join(text.split())}\n"
                for text, label in zip(spaced, split["labels"], strict=True)
            ]
            (self._folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
        model = fasttext.train_supervised(
            str(self._folder / "train.txt"), wordNgrams=2, epoch=25, thread=torch.get_num_threads(), verbose=0
        )
        seconds = time.perf_counter() - start
        accuracy = model.test(str(self._folder / "validation.txt"))[1]
        return ["fastText, bigrams, 25 epochs", seconds, accuracy]

    def _tfidf(self, data: dict) -> list:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        start = time.perf_counter()
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
        )
        model.fit(data["train"]["texts"], data["train"]["labels"])
        seconds = time.perf_counter() - start
        accuracy = model.score(data["validation"]["texts"], data["validation"]["labels"])
        return ["scikit-learn TF-IDF and logistic regression", seconds, accuracy]

    def _prepare_lstm(self) -> None:
        optimizer = functools.partial(torch.optim.Adam, lr=1e-3)
        self._measure_classifier("lstm", LSTM(), optimizer, width=None, label_smoothing=0.1, clip=1.0)

    def _prepare_encoder(self) -> None:
        sizes = work.ENCODER
        model = Bert(
            vocab_size=work.VOCABULARY,
            hidden_size=work.WIDTH,
            num_hidden_layers=sizes["layers"],
            num_attention_heads=sizes["heads"],
            intermediate_size=sizes["intermediate_dim"],
            max_position_embeddings=work.LONGEST,
        )
        self._measure_classifier("encoder", model, functools.partial(torch.optim.AdamW, lr=1e-3), width=work.LONGEST)

    def _prepare_minilm(self) -> None:
        sizes = work.MINILM
        model = Bert(
            vocab_size=sizes["vocabulary_size"],
            hidden_size=sizes["hidden_dim"],
            num_hidden_layers=sizes["layers"],
            num_attention_heads=sizes["heads"],
            intermediate_size=sizes["intermediate_dim"],
        )
        self._measure_classifier("minilm", model, functools.partial(torch.optim.AdamW, lr=8e-5), width=work.LONGEST)

    def _measure_classifier(
        self,
        name: str,
        model: torch.nn.Module,
        optimizer: Callable,
        *,
        width: int | None,
        label_smoothing: float = 0.0,
        clip: float | None = None,
    ) -> None:
        """Let a network train and predict on our batches, padded to one width where there is one."""
        model = self._ready(model)
        optimizer = optimizer(model.parameters())
        loss_of = torch.nn.CrossEntropyLoss(label_smoothing=label_smoothing)

        def loss(token_ids, mask, labels):
            with self._precision():
                return loss_of(model(token_ids, mask).float(), labels)

        batches = self._batches(f"{name}_train", width)
        self._measured[f"{name}_train"] = functools.partial(_train, model, optimizer, loss, batches, clip=clip)
        predicted = self._batches(f"{name}_predict", width)

        def predict() -> int:
            model.eval()
            with torch.inference_mode(), self._precision():
                return len(torch.cat([model(token_ids, mask).cpu() for token_ids, mask, _ in predicted]))

        self._measured[f"{name}_predict"] = predict

    def _batches(self, name: str, width: int | None) -> list[tuple[torch.Tensor, ...]]:
        batches = load_batches(self._folder / f"{name}.npz", width=width)
        return [tuple(torch.from_numpy(part).to(self._device) for part in batch) for batch in batches]

    def _ready(self, model: torch.nn.Module) -> torch.nn.Module:
        model = model.to(self._device)
        return torch.compile(model) if self._gpu else model

    def _precision(self) -> torch.autocast:
        """Return the context in which networks compute: bfloat16 on a GPU, where it is faster, else float32."""
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._gpu)

    def _arrays(self, file: str, name: str) -> torch.Tensor:
        with np.load(self._folder / file, allow_pickle=False) as arrays:
            return torch.from_numpy(arrays[name].astype(np.int64)).to(self._device)

    @functools.cached_property
    def _decoder(self) -> tuple[torch.nn.Module, torch.optim.Optimizer, list[tuple[torch.Tensor]]]:
        model = _gpt2(work.DECODER).to(self._device)
        windows = self._arrays("windows.npz", "windows")  # (batches, B, T + 1)
        return model, torch.optim.AdamW(model.parameters(), lr=1e-3), [(window,) for window in windows]

    def _prepare_decoder(self) -> None:
        model, optimizer, windows = self._decoder
        model = self._ready(model)
        count = self._amount("decoder_train")
        context = work.DECODER["context"]

        def loss(window):
            with self._precision():
                return _next_token_loss(model, window)

        def train() -> int:
            return context * _train(model, optimizer, loss, windows[:count])

        self._measured["decoder_train"] = train
        scored = self._arrays("scored.npz", "token_ids")

        def predict() -> int:
            model.eval()
            with torch.inference_mode(), self._precision():
                return sum(model(input_ids=token_ids).logits.cpu()[..., 0].numel() for token_ids in scored)

        self._measured["decoder_predict"] = predict

    def _prepare_generation(self) -> None:
        model, optimizer, windows = self._decoder
        _train(model, optimizer, functools.partial(_next_token_loss, model), windows[:FIRST_STEPS])
        prompts = self._arrays("prompts.npz", "token_ids")
        for batch in (1, 16, 64):
            self._measured[f"generate_{batch}"] = functools.partial(self._generate, model, prompts, batch)

    def _generate(self, model: torch.nn.Module, prompts: torch.Tensor, batch: int) -> int:
        times, count = self._amount(f"generate_{batch}"), 0
        model.eval()
        for seed in range(times):
            first = seed % (len(prompts) - batch + 1)
            given = prompts[first : first + batch]
            with torch.inference_mode(), self._precision():
                written = model.generate(
                    given,
                    attention_mask=torch.ones_like(given),
                    max_new_tokens=work.NEW_TOKENS,
                    do_sample=True,
                    **work.SAMPLING,
                )
            count += written[:, work.PROMPT :].numel()
        return count

    def _prepare_text(self) -> None:
        import nltk

        data = json.loads((self._folder / "texts.json").read_text(encoding="utf-8"))
        texts, stopwords = data["texts"], set(data["stopwords"])

        def encode() -> int:
            ids, rows = {}, []
            for text in texts:
                tokens = nltk.word_tokenize(text.lower(), preserve_line=True)
                rows.append([ids.setdefault(token, len(ids)) for token in tokens if token not in stopwords])
            return len(rows)

        self._measured["text_first"] = self._measured["text_cache"] = encode


def _gpt2(sizes: dict[str, int]) -> torch.nn.Module:
    """Return transformers' GPT-2, without dropout, as ours; no id ends a text."""
    config = transformers.GPT2Config(
        vocab_size=sizes["vocabulary_size"],
        n_embd=sizes["hidden_dim"],
        n_layer=sizes["layers"],
        n_head=sizes["heads"],
        n_positions=sizes["context"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=0,
    )
    return transformers.GPT2LMHeadModel(config)


def _next_token_loss(model: torch.nn.Module, window: torch.Tensor) -> torch.Tensor:
    """Return the loss of windows of shape (B, T + 1)."""
    logits = model(input_ids=window[:, :-1]).logits.float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())


def _train(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[..., torch.Tensor],
    batches: list[tuple[torch.Tensor, ...]],
    *,
    clip: float | None = None,
) -> int:
    """Train on every batch once; return how many rows they have."""
    model.train()
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    loss.item()  # a GPU has finished then
    return sum(len(batch[0]) for batch in batches)
