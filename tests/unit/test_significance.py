"""Tests against numbers by hand and by SciPy, and the sentences made of them."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from textapp.evaluation.changes import changes
from textapp.evaluation.metrics import classification_metrics
from textapp.evaluation.seeds import seed_spread
from textapp.evaluation.significance import compare_all, holm, paired_test, smallest_difference
from textapp.evaluation.verdict import verdict

LABELS = np.array([0, 0, 1, 1, 1])  # (N 5,)


def predictions(*, only_a, only_b, both=0, neither=0):
    """Returns labels and two classifiers' predictions that are right on so many texts."""
    a = [1] * only_a + [0] * only_b + [1] * both + [0] * neither
    b = [0] * only_a + [1] * only_b + [1] * both + [0] * neither
    return np.ones(len(a), dtype=int), np.array(a), np.array(b)


def scored(n=80, *, seed=0, classes=2):
    """Returns labels and the probabilities of three models, the first the best."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=n - classes)])
    models = {}
    for name, noise in (("fine", 0.7), ("fair", 1.0), ("poor", 3.0)):
        scores = np.exp(np.eye(classes)[labels] + noise * rng.normal(size=(n, classes)))
        models[name] = scores / scores.sum(axis=1, keepdims=True)
    return labels, models


def test_mcnemar_by_hand():
    result = paired_test(*predictions(only_a=10, only_b=2, both=30, neither=8))
    assert result == {
        "difference": pytest.approx(8 / 50),
        "only_a_right": 10,
        "only_b_right": 2,
        "test": "exact",
        "p_value": pytest.approx(2 * (1 + 12 + 66) / 2**12),
    }


def test_mcnemar_is_exact_below_25_texts_that_decide():
    exact = paired_test(*predictions(only_a=7, only_b=17))
    assert exact["test"] == "exact"
    assert exact["p_value"] == pytest.approx(2 * sum(math.comb(24, k) for k in range(8)) / 2**24)
    # Chi-squared is (|20 - 5| - 1)^2 / 25 = 2.8^2.
    approximate = paired_test(*predictions(only_a=20, only_b=5))
    assert approximate["test"] == "chi-squared"
    assert approximate["p_value"] == pytest.approx(math.erfc(2.8 / math.sqrt(2)))
    assert paired_test(*predictions(only_a=20, only_b=20))["p_value"] == 1


def test_mcnemar_of_a_model_with_itself():
    labels, a, _ = predictions(only_a=3, only_b=2)
    assert paired_test(labels, a, a) == {
        "difference": 0.0,
        "only_a_right": 0,
        "only_b_right": 0,
        "test": "exact",
        "p_value": 1.0,
    }


def test_paired_test_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"predictions of b have shape \(4,\); the labels ask for \(5,\)"):
        paired_test(LABELS, LABELS, LABELS[:4])
    with pytest.raises(ValueError, match=r"labels has shape \(0,\)"):
        paired_test(LABELS[:0], LABELS[:0], LABELS[:0])


def test_holm_by_hand():
    # In order 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1; the last may not fall below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@pytest.mark.parametrize(("n", "discordance"), [(155, 0.45), (2490, 0.06), (50, 1.0)])
def test_smallest_difference_fits_connors_formula(n, discordance):
    d = smallest_difference(n, discordance)
    assert ((1.959964 * discordance**0.5 + 0.841621 * (discordance - d**2) ** 0.5) / d) ** 2 == pytest.approx(n)


def test_smallest_difference_of_a_known_example():
    # Discordant shares 0.30 and 0.15 take 155 pairs.
    assert smallest_difference(155, 0.45) == pytest.approx(0.15, abs=3e-4)


def test_smallest_difference_is_one_that_the_corrected_exact_test_can_show():
    # Six coins, all heads or all tails, have p = 1/32; five have 1/16.
    assert smallest_difference(5, 1.0) is None
    assert smallest_difference(6, 0.1) ** 6 == pytest.approx(0.8)
    for n in (8, 1000):
        assert stats.binom.sf(5, n, smallest_difference(n, 0.002)) == pytest.approx(0.8)
    assert paired_test(*predictions(only_a=6, only_b=0))["p_value"] < 0.05
    # Ten pairs ask for 0.005, which is nine coins.
    assert smallest_difference(8, 1.0, pairs=10) is None
    assert 10 * paired_test(*predictions(only_a=8, only_b=0))["p_value"] > 0.05
    assert smallest_difference(9, 0.1, pairs=10) ** 9 == pytest.approx(0.8)
    # 2.807034 is the normal distribution's for 0.005, two-sided.
    d = smallest_difference(2490, 0.06, pairs=10)
    assert ((2.807034 * 0.06**0.5 + 0.841621 * (0.06 - d**2) ** 0.5) / d) ** 2 == pytest.approx(2490)


def test_compare_all_holds_what_its_parts_say():
    labels, models = scored()
    result = compare_all(labels, models, seed=1)
    assert [(pair["a"], pair["b"]) for pair in result["pairs"]] == [
        ("fine", "fair"),
        ("fine", "poor"),
        ("fair", "poor"),
    ]
    answers = {name: given.argmax(axis=1) for name, given in models.items()}
    for pair in result["pairs"]:
        a, b = pair["a"], pair["b"]
        assert paired_test(labels, answers[a], answers[b]).items() <= pair.items()
        discordance = (pair["only_a_right"] + pair["only_b_right"]) / 80
        assert pair["smallest_difference"] == smallest_difference(80, discordance, pairs=3)
        f1 = [metrics.f1_score(labels, answers[name], average="macro") for name in (a, b)]
        auc = [metrics.roc_auc_score(labels, models[name][:, 1]) for name in (a, b)]
        assert pair["macro_f1"]["difference"] == pytest.approx(f1[0] - f1[1])
        assert pair["roc_auc"]["difference"] == pytest.approx(auc[0] - auc[1])
    for part in (lambda pair: pair, lambda pair: pair["macro_f1"], lambda pair: pair["roc_auc"]):
        p_values = [part(pair)["p_value"] for pair in result["pairs"]]
        assert [part(pair)["p_value_holm"] for pair in result["pairs"]] == holm(p_values)
    # fine and fair are the best two.
    assert result["smallest_difference"] == result["pairs"][0]["smallest_difference"]
    assert "1,000 paired bootstrap resamples;" in result["method"]
    assert compare_all(labels, models, seed=1) == result
    assert compare_all(labels, models, seed=2) != result


def test_paired_bootstrap_is_scipys():
    labels, models = scored()
    a, b = models["fine"][:, 1], models["poor"][:, 1]

    def area(y, scores):
        wins = scores[y == 1][:, None] - scores[y == 0]
        return (wins > 0).mean()

    reference = stats.bootstrap(
        (labels, a, b),
        lambda y, p, q: area(y, p) - area(y, q),
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=3000,
        rng=np.random.default_rng(0),
    )
    found = compare_all(labels, models, resamples=3000)["pairs"][1]["roc_auc"]
    assert found["interval"] == pytest.approx(list(reference.confidence_interval), abs=0.015)
    below = np.mean(reference.bootstrap_distribution <= 0)
    assert found["p_value"] == pytest.approx(2 * below, abs=0.01)


def test_many_models_take_more_resamples_or_the_method_says_that_they_are_too_few():
    labels, models = scored(200)
    many = {"fine": models["fine"], "poor": models["poor"], **{str(n): models["fair"] for n in range(6)}}
    result = compare_all(labels, many)
    assert "2,240 paired bootstrap resamples;" in result["method"]  # for 28 pairs
    pair = result["pairs"][0]
    assert (pair["a"], pair["b"]) == ("fine", "poor")
    assert pair["roc_auc"]["p_value_holm"] == pytest.approx(28 * 2 / 2241)
    # With 1,000 no difference could be shown.
    capped = compare_all(labels, many, resamples=1000)
    assert capped["pairs"][0]["roc_auc"]["p_value_holm"] > 0.05
    assert "resamples, too few for a corrected p-value of either below 0.06; p-values" in capped["method"]


def test_five_texts_that_differ_show_no_difference_in_macro_f1():
    labels = np.arange(60) % 2
    sure = np.where(np.eye(2)[labels] == 1, 0.9, 0.1)
    other = sure.copy()
    other[:5] = other[:5, ::-1]
    (pair,) = compare_all(labels, {"a": sure, "b": other})["pairs"]
    assert pair["macro_f1"]["p_value"] >= pair["p_value"] == 1 / 16
    assert pair["roc_auc"]["p_value"] >= 1 / 16


def test_bootstrap_p_value_where_two_models_are_close():
    labels, models = scored(seed=4)
    result = compare_all(labels, {"a": models["fair"], "b": models["fine"], "c": models["fair"]})
    same = result["pairs"][1]
    assert (same["a"], same["b"]) == ("a", "c")
    for part in (same, same["macro_f1"], same["roc_auc"]):
        assert (part["difference"], part["p_value"], part["p_value_holm"]) == (0, 1, 1)
    assert same["macro_f1"]["interval"] == [0, 0]
    assert same["verdict"].startswith("No difference shown: a and c are right equally often. These 80 test texts show")


@pytest.mark.filterwarnings("error")
def test_compare_all_where_a_measure_is_undefined():
    labels, models = scored(classes=3)
    kept = labels != 2
    result = compare_all(labels[kept], {name: given[kept] for name, given in models.items()})
    assert [pair["roc_auc"] for pair in result["pairs"]] == [None, None, None]
    assert all(0 < pair["macro_f1"]["p_value"] <= 1 for pair in result["pairs"])
    assert compare_all(labels, {"fine": models["fine"]}) is None


def test_compare_all_refuses_models_of_other_classes():
    labels, models = scored()
    with pytest.raises(ValueError, match=r"shapes \[\(80, 2\), \(80, 3\)\]"):
        compare_all(labels, {"a": models["fine"], "b": np.full((80, 3), 1 / 3)})


def test_pair_verdicts():
    labels, a, b = predictions(only_a=10, only_b=2, both=1200, neither=38)
    labels[-1], a[-1], b[-1] = 0, 1, 1  # two classes
    probabilities = {"tfidf": np.eye(2)[b], "nbsvm": np.eye(2)[a]}
    assert compare_all(labels, probabilities)["pairs"][0]["verdict"] == (
        "The lead of 0.6 points of nbsvm over tfidf is more than chance (McNemar, exact, p = 0.039)."
    )
    probabilities["third"] = np.eye(2)[np.where(np.arange(1250) < 1, b, a)]
    assert compare_all(labels, probabilities)["pairs"][2]["verdict"] == (
        "The lead of 0.08 points of nbsvm over third is not more than chance could give (McNemar, exact, "
        "Holm-corrected p = 1.00): no difference shown. These 1,250 test texts show one of 0.7 points with 80 % "
        "probability."
    )


def test_verdict_on_a_lead_that_is_more_than_chance():
    labels, a, b = predictions(only_a=10, only_b=2, both=1200, neither=38)
    result = verdict(labels, {"tfidf": b, "nbsvm": a})
    low, high = verdict_interval(labels, a)
    assert result == {
        "best": "nbsvm",
        "runner_up": "tfidf",
        "p_value": pytest.approx(0.03857, abs=1e-5),
        "p_value_holm": pytest.approx(0.03857, abs=1e-5),
        "sentence": "Best on the 1,250 test texts: nbsvm, accuracy 0.968. Its lead of 0.6 points over "
        "tfidf is more than chance (McNemar, exact, p = 0.039).",
        "sentences": [
            f"Most accurate: nbsvm, accuracy 0.968 [{low:.3f}, {high:.3f}], 0.6 points above tfidf; that is more "
            "than chance (McNemar, exact, p = 0.039)."
        ],
    }


def verdict_interval(labels, answers):
    """Returns the interval that stands in the table, which must be the verdict's."""
    return classification_metrics(labels, np.eye(2)[answers], label_names=("no", "yes"))["intervals"]["accuracy"]


def test_a_lead_must_outlast_the_correction_for_all_pairs():
    labels, a, b = predictions(only_a=10, only_b=2, both=1200, neither=38)
    other = np.where(np.arange(1250) < 1, b, a)  # wrong on one more text than a
    result = verdict(labels, {"a": a, "b": b, "other": other})
    assert (result["best"], result["runner_up"]) == ("a", "other")
    assert (result["p_value"], result["p_value_holm"]) == (1, 1)
    result = verdict(labels, {"a": a, "b": b, "majority": 0 * a})
    # The two pairs with the majority come first and use up the correction.
    assert result["p_value_holm"] == result["p_value"] == pytest.approx(0.03857, abs=1e-5)
    twin = verdict(labels, {"a": a, "b": b, "b too": b})
    assert twin["p_value_holm"] == pytest.approx(3 * 0.03857, abs=1e-4)
    assert twin["sentence"].endswith("(McNemar, exact, Holm-corrected p = 0.12): no difference shown.")


@pytest.mark.parametrize(
    ("counts", "end"),
    [
        (
            {"only_a": 4, "only_b": 2, "neither": 4},
            "Its lead of 20.0 points over b is not more than chance could give (McNemar, exact, p = 0.69): "
            "no difference shown.",
        ),
        ({"only_a": 40, "only_b": 0}, "is more than chance (McNemar, chi-squared, p < 0.001)."),
        ({"only_a": 1, "only_b": 0, "both": 2499}, "Its lead of 0.04 points over b is not more than chance"),
        (
            {"only_a": 3, "only_b": 3, "both": 1},
            "Best on the 7 test texts: a and b, each with accuracy 0.571: no difference shown.",
        ),
    ],
)
def test_verdict_sentences(counts, end):
    labels, a, b = predictions(**counts)
    assert end in verdict(labels, {"a": a, "b": b})["sentence"]


def test_verdict_on_three_that_are_equal_and_on_one_alone():
    labels, a, b = predictions(only_a=3, only_b=3)
    equal = verdict(labels, {"b": b, "a": a, "c": a})
    assert (equal["best"], equal["runner_up"], equal["p_value"]) == ("b", "a", 1.0)
    assert "b, a and c, each with accuracy 0.500: no difference shown." in equal["sentence"]
    assert "right as often as a: no difference shown. Picked as the best of 3 on the same" in equal["sentences"][0]
    assert verdict(labels[:1], {"a": a[:1]}) == {
        "best": "a",
        "runner_up": None,
        "p_value": None,
        "p_value_holm": None,
        "sentence": "Only a was tested, accuracy 1.000 on the 1 test text: nothing to compare it with.",
        "sentences": ["Most accurate: a, accuracy 1.000 [0.207, 1.000], the only one tested."],
    }


def test_verdict_answers_what_is_quick_and_what_is_small():
    labels, a, b = predictions(only_a=40, only_b=10, both=150)
    low, high = verdict_interval(labels, b)
    costs = {
        "slow": {"milliseconds_per_text_batch_1": 5.0, "bytes_on_disk": 19_999_999},
        "quick": {"milliseconds_per_text_batch_1": 4.9, "bytes_on_disk": 20_000_000},
        "unknown": {"milliseconds_per_text_batch_1": None},
    }
    sentences = verdict(labels, {"quick": b, "slow": a, "unknown": 0 * a}, costs)["sentences"]
    assert len(sentences) == 3
    assert sentences[1] == (
        f"Most accurate under 5 ms per text: quick, accuracy 0.800 [{low:.3f}, {high:.3f}], 15.0 points below slow, "
        "the best of all; that is more than chance (McNemar, chi-squared, Holm-corrected p < 0.001). "
        "Not measured: unknown."
    )
    assert sentences[2].startswith("Most accurate under 20 MB: slow, accuracy 0.950 [")
    assert sentences[2].endswith("], the best of all and the only one. Not measured: unknown.")
    cheap = {name: {"milliseconds_per_text_batch_1": 0.1, "bytes_on_disk": 10} for name in ("quick", "slow")}
    sentences = verdict(labels, {"quick": b, "slow": a}, cheap)["sentences"]
    assert all("slow, accuracy 0.950" in sentence and "15.0 points above quick;" in sentence for sentence in sentences)
    dear = {name: {"milliseconds_per_text_batch_1": 50, "bytes_on_disk": 10**9} for name in ("quick", "slow")}
    assert verdict(labels, {"quick": b, "slow": a}, dear)["sentences"][1:] == [
        "Most accurate under 5 ms per text: none.",
        "Most accurate under 20 MB: none.",
    ]


def test_verdict_refuses_nothing_and_other_shapes():
    with pytest.raises(ValueError, match="at least one classifier"):
        verdict(LABELS, {})
    with pytest.raises(ValueError, match=r"predictions of cnn have shape \(2,\)"):
        verdict(LABELS, {"cnn": LABELS[:2]})


def test_seed_spread_by_hand():
    labels = np.ones(4, dtype=int)
    result = seed_spread(labels, [np.array([1, 1, 1, 0]), np.array([1, 0, 1, 0]), np.array([1, 0, 0, 0])])
    assert result == {
        "accuracies": [0.75, 0.5, 0.25],
        "mean": 0.5,
        "standard_deviation": pytest.approx(0.25),
        "test_set_standard_error": pytest.approx(0.25),
        # The seeds part over two texts. Shuffled, they are as far apart unless the one that is right where two are
        # wrong is the one that is wrong where two are right: two times of three.
        "p_value": pytest.approx(2 / 3, abs=0.02),
        "sentence": f"Over 3 seeds the accuracy is 0.500 with a standard deviation of 0.2500; another 4 test texts "
        "would move it by 0.2500 (standard error). On these texts the seeds show no difference (Cochran's Q, answers "
        f"shuffled among the seeds, p = {result['p_value']:.2f}).",
    }


def test_seeds_that_differ_by_more_than_chance_and_that_do_not_differ():
    labels, a, b = predictions(only_a=40, only_b=10, both=50)
    sentence = seed_spread(labels, [a, b])["sentence"]
    assert "the seeds differ by more than chance (McNemar, chi-squared, p < 0.001)" in sentence
    assert seed_spread(labels, [a, b])["p_value"] == paired_test(labels, a, b)["p_value"]
    # Q is 2 (3 (90^2 + 60^2 + 90^2) - 240^2) / (3 * 240 - 620) = 36, of two degrees of freedom.
    found = seed_spread(labels, [a, b, a])
    assert found["p_value"] == pytest.approx(math.exp(-36 / 2))
    assert "(Cochran's Q, chi-squared, p < 0.001)" in found["sentence"]
    same = seed_spread(labels, [a, a, a])
    assert (same["standard_deviation"], same["p_value"]) == (0, 1)


def test_a_handful_of_disputed_texts_does_not_tell_seeds_apart():
    labels = np.ones(100, dtype=int)
    right, wrong = labels, np.where(np.arange(100) < 4, 0, labels)
    # By chi-squared Q = 8 would have p = 0.018; shuffled, one seed has all four with probability 3 (1/3)^4.
    assert seed_spread(labels, [right, right, wrong])["p_value"] == pytest.approx(1 / 27, abs=0.01)
    two = seed_spread(labels, [right, wrong])
    assert two["p_value"] == 1 / 8
    assert "show no difference (McNemar, exact, p = 0.12)" in two["sentence"]


def test_one_seed_has_no_spread():
    result = seed_spread(LABELS, [LABELS])
    assert (result["standard_deviation"], result["p_value"], result["mean"]) == (None, None, 1)
    assert result["sentence"].startswith("One seed only, accuracy 1.000;")
    with pytest.raises(ValueError, match="at least one seed"):
        seed_spread(LABELS, [])
    with pytest.raises(ValueError, match=r"predictions of seed 1 have shape \(2,\)"):
        seed_spread(LABELS, [LABELS, LABELS[:2]])


def test_worse_by_hand():
    labels, old, new = predictions(only_a=10, only_b=2, both=30, neither=8)
    (found,) = changes(labels, {"m": old}, {"m": new})
    p_value = pytest.approx((1 + 12 + 66) / 2**12)
    assert found == {
        **{"model": "m", "old": 0.8, "new": 0.64, "difference": pytest.approx(-8 / 50)},
        **{"worse": True, "p_value": p_value, "p_value_holm": p_value},
        "sentence": "Worse: m, accuracy 0.640 in the new run and 0.800 in the old run; of the 50 test texts 10 that "
        "were right are wrong now and 2 that were wrong are right (McNemar, one-sided, exact, p = 0.019).",
    }


@pytest.mark.parametrize(
    ("only_old", "only_new", "p_value", "head"),
    [
        (0, 0, 1, "No difference shown: "),
        (4, 0, 1 / 16, "No difference shown: "),
        (0, 9, 1, "Not shown to be worse: "),
        (2, 10, 1 - (1 + 12) / 2**12, "Not shown to be worse: "),
    ],
)
def test_not_worse_by_more_than_chance(only_old, only_new, p_value, head):
    labels, old, new = predictions(only_a=only_old, only_b=only_new, both=20)
    (found,) = changes(labels, {"m": old}, {"m": new})
    assert found["worse"] is False
    assert found["p_value"] == pytest.approx(p_value)
    assert found["sentence"].startswith(head)


def test_changes_name_what_does_not_fit():
    with pytest.raises(ValueError, match=r"predictions of m, new have shape \(4,\)"):
        changes(LABELS, {"m": LABELS}, {"m": LABELS[:4]})
