"""The page shows what the report holds, keeps texts texts, and needs nothing but itself."""

import copy
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.report_example import full_report
from helpers.reports import HOSTILE, classifier, run_facts, small_report

from textapp.reports.page import SECTIONS, to_html
from textapp.reports.schema import build_report

VOID = {"meta", "link", "br", "img"}
EVIL = HOSTILE + (
    "</style></title></svg></script><img src=x onerror=alert(1)>\"' onload='a' {{ 7*7 }} $\\frac$\ufffe\ufdd0"
)


class Page(HTMLParser):
    """A page's tags, attributes and texts; it must be well-formed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, *names):
        return [value for _, name, value in self.attributes if name in names]


@pytest.fixture(scope="module")
def report():
    return full_report()


@pytest.fixture(scope="module")
def html(report):
    return to_html(report)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def poisoned(value, names):
    """Return the report with EVIL behind every text, names of models and labels among them."""
    if isinstance(value, dict):
        return {key + EVIL if key in names else key: poisoned(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, names) for item in value]
    return value + EVIL if isinstance(value, str) and value not in ("dummy", "linear", "network") else value


def ids(html):
    return re.findall(r'<section id="([^"]+)"', html)


def test_page_has_all_parts_in_their_order(html, page):
    assert ids(html) == [section.name for section in SECTIONS if section.name != "runs"]
    links = [value.removeprefix("#") for value in page.values("href") if value.startswith("#") and value[1] != "m"]
    assert [name for name in links if name in ids(html)] == ids(html)


def test_page_is_one_file_that_runs_and_loads_nothing(html, page):
    assert "script" not in page.tags
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert not page.values("src", "srcset", "action", "xlink:href")
    loaded = {value for value in page.values("href") if not value.startswith("#")}
    assert loaded == {"data:,", "report.json", "report.md"}
    assert set(re.findall(r"url\((.)", html)) == {"#"}
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert ("meta", "content", policy) in page.attributes


def test_ids_are_unique_and_every_reference_has_its_target(html, page):
    found = page.values("id")
    assert len(found) == len(set(found))
    referred = {value[1:] for value in page.values("href") if value.startswith("#")}
    referred |= set(re.findall(r"url\(#([^)]+)\)", html))
    referred |= {name for value in page.values("aria-labelledby") for name in value.split()}
    assert referred <= set(found)


def test_every_drawing_says_what_it_shows(page):
    drawings = page.tags.count("svg")
    # Five reliability diagrams, coverage, deletion, lengths, three epochs and two seconds, Pareto twice, labelled
    # texts, a generator.
    assert drawings == 5 + 1 + 1 + 1 + 3 + 2 + 2 + 1 + 1
    assert page.values("role").count("img") == drawings
    assert page.tags.count("title") == drawings + 1
    assert page.tags.count("desc") == drawings


def test_hostile_texts_stay_texts(report, page):
    names = {row["name"] for row in [*report["classifiers"], *report["generators"]]}
    names |= set(report["classifiers"][0]["metrics"]["per_class"])
    html = to_html(poisoned(report, names))
    evil = Page(html)
    assert set(evil.tags) == set(page.tags)
    assert {(tag, name) for tag, name, _ in evil.attributes} == {(tag, name) for tag, name, _ in page.attributes}
    assert evil.values("src") == []
    assert {value for value in evil.values("href") if value[0] != "#"} == {"data:,", "report.json", "report.md"}
    assert not {"\x1b", "\x07", "\r", "\u202e", "\t", "\ufffe", "\ufdd0"} & set(html)
    assert sum("<script>alert(1)</script>" in text for text in evil.texts) > 200
    assert "{{ 7*7 }}" in html
    assert ids(html) == [section.name for section in SECTIONS if section.name != "runs"]


def test_hostile_names_stay_texts_in_drawings(report):
    row = next(row for row in report["classifiers"] if row["name"] == "lstm")
    hostile = build_report(run_facts(), [{**row, "name": "<b>$x$\ufffe"}])
    svg = re.search(r'<svg[^>]*aria-labelledby="pareto-time.*?</svg>', to_html(hostile), re.DOTALL)[0]
    assert "&lt;b&gt;$x$�</text>" in svg
    assert "<b>" not in svg


def test_the_same_report_gives_the_same_bytes_in_another_process(html):
    code = (
        "import hashlib; from helpers import report_example; from textapp.reports.page import to_html;"
        "print(hashlib.sha256(to_html(report_example.full_report()).encode()).hexdigest())"
    )
    tests = Path(__file__).parent
    path = {"PYTHONPATH": f"{tests}:{tests.parent}", "PYTHONHASHSEED": "3"}
    output = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == hashlib.sha256(html.encode()).hexdigest()


PARTS = {
    "verdict": {"verdict": None},
    "significance": {"comparisons": None},
    "seeds": {"seeds": None},
    "calibration": {"calibration": None},
    "abstention": {"abstention": None},
    "slices": {"slices": [], "worst_slice": None},
    "robustness": {"robustness": []},
    "explanations": {"explanations": None},
    "curves": {"history": []},
    "ablation": {"ablation": None},
    "generators": {"generators": []},
    "exports": {"export": None},
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_missing_is_named_at_the_end(report, name):
    report = copy.deepcopy({**report, "classifiers": report["classifiers"][2:4]})
    for key, nothing in PARTS[name].items():
        if key in report:
            report[key] = nothing
        for row in [*report["classifiers"], *report["generators"]]:
            if key in row:
                row[key] = nothing
    html = to_html(report)
    assert ids(html) == [each.name for each in SECTIONS if each.name not in ("runs", name)] + ["missing"]
    (sentence,) = [each.missing for each in SECTIONS if each.name == name]
    assert f"<li>{sentence}</li>" in html


def test_rows_without_any_of_the_new_parts():
    html = to_html(small_report())
    assert ids(html) == ["verdict", "classifiers", "errors", "data", "cost", "generators", "reproduce", "missing"]
    assert "<td>0.912<small>0.901–0.923</small></td>" in html
    assert "Average precision</th>" not in html  # nobody measured it
    Page(html)


def test_a_report_of_a_generator_alone():
    html = to_html(small_report(classifiers=[], verdict=None))
    assert ids(html) == ["data", "generators", "reproduce", "missing"]
    assert "<td>2.600</td>" in html
    Page(html)


def test_runs_side_by_side():
    runs = [{"name": name, "command": f"train {name}", "seed": 3, "versions": {"python": "3.11.2"}, "device": "cpu",
             "created": "2026-11-22"} for name in ("old", "new")]  # fmt: skip
    rows = [classifier("old/tfidf"), classifier("new/tfidf"), classifier("new/lstm", "network")]
    report = build_report({**run_facts(), "command": None, "seed": None, "runs": runs}, rows)
    html = to_html(report)
    assert ids(html)[:2] == ["runs", "classifiers"]
    assert html.index("<h3>old</h3>") < html.index("train old") < html.index("<h3>new</h3>") < html.index("train new")
    assert "<dt>Seed</dt><dd>None</dd>" not in html
    # What only a run's own report has was not left undone.
    assert "<li>Explanations: those of each run stand in its own report.</li>" in html
    assert "<li>Ablation: that of each run, where there is one, stands in its own report.</li>" in html
    assert "no word was given a weight" not in html
    assert "no part was taken away" not in html
    Page(html)


def test_groups_that_models_of_several_runs_part_in_different_ways():
    group = {"slice": "unknown words", "accuracy": 0.5, "interval": [0.3, 0.7], "difference": -0.1}
    shared = group | {"group": "none", "n": 77}
    rows = [
        classifier(name, slices=[shared, group | {"group": "more than 5 %", "n": n}])
        for name, n in (("old/tfidf", 20), ("new/tfidf", 31))
    ]
    html = to_html(build_report(run_facts(), rows))
    overview = html[html.index("Accuracy in the group;") :]
    assert "unknown words: none</span></th><td>77</td>" in overview
    assert "unknown words: more than 5 %</span></th><td>–</td>" in overview
    for n in (20, 31):
        assert f"<small>−10.0, {n} texts</small>" in overview
    assert "77 texts" not in overview


def test_percentiles_of_too_few_calls_are_left_out():
    row = classifier()
    times = {"milliseconds_p50": 1.5, "milliseconds_p95": 2.5, "milliseconds_p99": 3.5}
    row["cost"]["latency"] = [{"batch_size": 1, "calls": 30, **times}, {"batch_size": 32, "calls": 3, **times}]
    html = to_html(build_report(run_facts(), [row]))
    cost = html[html.index('<section id="cost"') :]
    assert cost.count(">2.5</td>") == 1  # p95 of batch 1
    assert ">3.5</td>" not in cost
    assert "p99</th>" not in cost


def test_sentences_that_hold_for_every_report(html):
    assert "400 test texts that no model was trained on here." in html
    assert "so that on average at least 90 % of the sets should hold the true class" in html
    assert "against recall, of the second class where there are two, else the mean over the classes." in html


def test_unknown_numbers_are_dashes(report):
    report = copy.deepcopy(report)
    for row in report["classifiers"]:
        row["metrics"] |= dict.fromkeys(set(row["metrics"]["intervals"]))
        row["cost"] |= dict.fromkeys(("training_seconds", "parameters", "bytes_on_disk", "peak_memory_bytes"))
        row["cost"] |= {"latency": [], "texts_per_second": None, "milliseconds_per_text_batch_1": None}
        row["cost"]["texts_per_second_batch_64"] = None
    html = to_html(report)
    Page(html)
    assert "None" not in html.replace("None</code>", "")  # an option may be None
    assert "nan" not in html


def test_long_texts_are_cut_and_the_page_stays_small(report):
    report = copy.deepcopy(report)
    for row in report["classifiers"]:
        for error in row["errors"]:
            error["text"] = "wordy " * 5000
    html = to_html(report)
    shown = re.findall(r'<blockquote dir="auto">(wordy[^<]*)</blockquote>', html)
    assert len(shown) == 50  # five models; a dummy's errors say nothing
    assert {len(text) for text in shown} <= {999, 1000}
    assert all(text.endswith("wor…") or text.endswith("wordy…") for text in shown)
    assert len(html.encode()) < 1_000_000


def test_a_dummy_is_never_the_best():
    rows = [classifier("majority", "dummy"), classifier("worse"), classifier("better")]
    for row, ece in zip(rows, (0.0, 0.04, 0.02), strict=True):
        row["metrics"]["ece"] = ece
    found = re.findall(r"<b>(0\.0\d\d)</b>", to_html(small_report(classifiers=rows)))
    assert found == ["0.020"]


def test_splits_without_near_duplicates(report):
    nothing = {"threshold": 0.8, "pairs": 0, "test_texts": 0, "share": 0.0, "examples": []}
    facts = run_facts(near_duplicates=nothing, sha256={"train": "ab12", "test": "cd34"})
    html = to_html(build_report(facts, [classifier()]))
    assert "none has a similarity of 0.8 or more" in html
    assert "<dt>SHA-256 of the source, test</dt><dd>cd34</dd>" in html


def test_scores_of_a_golden_row(html):
    row = re.search('<span class="name"><span[^>]*>■</span> nbsvm</span></th>.*?</tr>', html, re.DOTALL)[0]
    assert "<b>0.915</b><small>0.891–0.937</small>" in row
    assert '<i class="mean" style="left:' in row


def test_pairs_stand_on_both_sides_of_the_matrix(html, report):
    (pair,) = [p for p in report["comparisons"]["pairs"] if (p["a"], p["b"]) == ("majority", "nbsvm")]
    assert pair["difference"] == pytest.approx(-0.4475)
    assert "<b>−44.8</b><small>p &lt;0.001</small>" in html
    assert "<b>+44.8</b><small>p &lt;0.001</small>" in html
    assert "not two methods" in html


def test_words_show_their_sign_without_colour():
    words = [["superb", 0.8], ["of", 0.01], ["dull", -0.4], ["<i>", None]]
    model = {"predicted": "good", "probability": 0.9, "words": words}
    texts = [{"row": 4, "text": "superb of dull <i>", "label": "good", "models": {"nbsvm": model}}]
    explanations = {"texts": texts, "deletion": {}, "method": {}}
    html = to_html(small_report(explanations=explanations))
    assert '<b class="w5" title="+0.800">superb</b> of <i class="w2" title="−0.400">dull</i> &lt;i&gt; </p>' in html
    assert "For: superb +0.800, of +0.010. Against: dull −0.400" in html


def test_many_classes_are_shown_by_what_is_confused_most():
    names = [f"class {i}" for i in range(21)]
    row = classifier(label_names=names)
    counts = [[int(i == j) for j in range(21)] for i in range(21)]
    counts[3][8], counts[5][1] = 2, 7
    row["metrics"]["confusion_matrix"] = counts
    html = to_html(small_report(classifiers=[row]))
    assert "true \\ predicted" not in html
    cells = r'<span class="name">(class \d+)</span></th><td class="left">(class \d+)</td><td>(\d+)</td>'
    found = re.findall(cells, html)
    assert found == [("class 5", "class 1", "7"), ("class 3", "class 8", "2")]
