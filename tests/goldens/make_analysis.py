"""Figures of SciPy, scikit-learn and NumPy for made-up results, to check src/analysis and src/stats by.

usage: make_analysis.py          writes analysis/ (needs numpy, scipy and scikit-learn)
"""
import json
import pathlib
import random
import unicodedata

import numpy as np
import scipy.stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

HERE = pathlib.Path(__file__).parent / "analysis"
RESAMPLES = 100_000
SEED = 11  # of the analysis under test: its folds and halves are dealt out again below
rng = np.random.default_rng(4)


def write(name, value):
    with open(HERE / f"{name}.json", "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


# 240 questions about 40 passages of 8 articles. What a passage's questions score is alike, and
# a third of the null odds is rounded, so that there are ties between right and wrong decisions.
N = 240
passage = np.sort(rng.integers(0, 40, N))
article = passage // 5
has_answer = rng.random(N) < 0.6
ease = rng.normal(0, 1.2, 40)[passage]
kept_f1 = np.where(has_answer, np.clip(np.round(0.5 + 0.3 * ease + rng.normal(0, 0.4, N), 3), 0, 1), 0.0)
kept_exact = (kept_f1 == 1).astype(float)
odds = np.where(has_answer, -1.0, 1.2) - 0.5 * ease + rng.normal(0, 1.5, N)
odds = np.where(rng.random(N) < 0.35, np.round(odds), np.round(odds, 3))
THRESHOLD = 0.0
null = (~has_answer).astype(float)


def at(threshold, kept):
    return np.where(odds > threshold, null, kept)


exact, f1 = at(THRESHOLD, kept_exact), at(THRESHOLD, kept_f1)
write("cases", {
    "passage": passage.tolist(), "article": [f"article {a}" for a in article], "has_answer": has_answer.tolist(),
    "kept_exact_match": kept_exact.tolist(), "kept_f1": kept_f1.tolist(),
    "exact_match": exact.tolist(), "f1": f1.tolist(), "null_odds": odds.tolist(), "threshold": THRESHOLD, "seed": SEED,
})

expected = {"resamples": RESAMPLES}


# Bootstrap: over questions by SciPy, over passages by NumPy.
def by_question(values):
    result = scipy.stats.bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", batch=2000, rng=rng)
    return [100 * x for x in (result.confidence_interval.low, result.confidence_interval.high, result.standard_error)]


def by_passage(values):
    numbers = np.unique(passage)
    sums = np.array([values[passage == p].sum() for p in numbers])
    sizes = np.array([(passage == p).sum() for p in numbers])
    drawn = rng.integers(0, len(numbers), (RESAMPLES, len(numbers)))
    ratios = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return [100 * x for x in (*np.percentile(ratios, [2.5, 97.5]), ratios.std(ddof=1))]


for name, interval in (("by_question", by_question), ("by_passage", by_passage)):
    expected[name] = {"exact_match": interval(exact), "f1": interval(f1)}


# The classifier; the positive class is "has an answer".
def classification(answered):
    figures = metrics.precision_recall_fscore_support(has_answer, answered, labels=[True, False])
    (tp, fn), (fp, tn) = metrics.confusion_matrix(has_answer, answered, labels=[True, False])
    return {
        "counts": [int(x) for x in (tp, fp, fn, tn)], "accuracy": metrics.accuracy_score(has_answer, answered),
        "has_answer": [float(x[0]) for x in figures[:3]], "no_answer": [float(x[1]) for x in figures[:3]],
    }


expected["in_force"] = classification(odds <= THRESHOLD)
precision, recall, thresholds = metrics.precision_recall_curve(has_answer, -odds)
expected["curve"] = [[float(-t), float(p), float(r)] for p, r, t in zip(precision, recall, thresholds)][::-1]
expected["average_precision"] = metrics.average_precision_score(has_answer, -odds)


def calibration(probability):
    fraction, mean = calibration_curve(~has_answer, probability, n_bins=15, strategy="uniform")
    number = np.searchsorted(np.linspace(0, 1, 16)[1:-1], probability)
    n = np.bincount(number, minlength=15)
    n = n[n > 0]
    return {
        "n": n.tolist(), "mean": mean.tolist(), "unanswerable": fraction.tolist(),
        "expected_error": float((n * np.abs(mean - fraction)).sum() / N),
        "brier": metrics.brier_score_loss(~has_answer, probability),
    }


expected["calibration_logit_difference"] = calibration(1 / (1 + np.exp(-odds)))
probability = np.round(1 / (1 + np.exp(-2 * odds)), 3)
expected["calibration_probability"] = calibration(probability)
expected["probability"] = probability.tolist()


# Thresholds by trying every cut between different values.
def cuts(values):
    values = sorted(set(values.tolist()))
    return [values[0] - 1] + [(a + b) / 2 for a, b in zip(values, values[1:])] + [values[-1]]


def best(kept, chosen):
    tried = [(float(at(t, kept)[chosen].sum()), t) for t in cuts(odds[chosen])]
    most = max(total for total, _ in tried)
    return next(t for total, t in tried if total > most - 1e-9)


MASK = 2**64 - 1


def split_mix(seed, index):
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def partition(groups, parts, seed):
    """Groups shuffled, then the largest first to the part with the fewest members."""
    count, drawn = max(groups) + 1, 0
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        # No draw is refused for bounds this small, but by a chance of 2^-58.
        other = split_mix(seed, drawn) * (last + 1) >> 64
        drawn += 1
        order[last], order[other] = order[other], order[last]
    sizes = [groups.count(g) for g in range(count)]
    members, part_of = [0] * parts, {}
    for group in sorted(order, key=lambda g: -sizes[g]):
        part_of[group] = members.index(min(members))
        members[part_of[group]] += sizes[group]
    return np.array([part_of[g] for g in groups])


numbers = {p: i for i, p in enumerate(dict.fromkeys(passage.tolist()))}
halves = partition([numbers[p] for p in passage.tolist()], 2, split_mix(SEED, 3))
for name, kept in (("exact_match", kept_exact), ("f1", kept_f1)):
    everything = np.ones(N, bool)
    threshold = best(kept, everything)
    chosen = [best(kept, halves == half) for half in (0, 1)]
    score = np.where(halves == 0, at(chosen[1], kept), at(chosen[0], kept))
    expected[f"best_{name}"] = {
        "threshold": threshold, "exact_match": 100 * at(threshold, kept_exact).mean(), "f1": 100 * at(threshold, kept_f1).mean(),
    }
    expected[f"held_out_{name}"] = {
        "thresholds": chosen, "chosen_on": [int((halves == half).sum()) for half in (0, 1)],
        "applied": [100 * float(at(chosen[half], kept)[halves != half].mean()) for half in (0, 1)], "all": 100 * score.mean(),
    }

numbers = {a: i for i, a in enumerate(dict.fromkeys(article.tolist()))}
parts = partition([numbers[a] for a in article.tolist()], 5, split_mix(SEED, 2))
expected["folds"] = {"n": [int((parts == k).sum()) for k in range(5)]}
for name, values in (("exact_match", exact), ("f1", f1)):
    folds = np.array([100 * values[parts == k].mean() for k in range(5)])
    expected["folds"][name] = [folds.mean(), folds.std(ddof=1), folds.min(), folds.max()]

# Slices by article, the worst first: the lowest upper end, then the lowest F1.
slices = []
for a in sorted(set(article.tolist())):
    chosen = article == a
    n, right = int(chosen.sum()), int(exact[chosen].sum())
    wilson = scipy.stats.binomtest(right, n).proportion_ci(method="wilson")
    slices.append([f"article {a}", n, 100 * exact[chosen].mean(), 100 * f1[chosen].mean(), 100 * wilson.low, 100 * wilson.high])
expected["articles"] = sorted(slices, key=lambda s: (s[5], s[3]))
write("expected", expected)

# Quantiles, NumPy's default method.
values = [sorted(round(rng.normal(), 6) for _ in range(n)) for n in (1, 2, 3, 10, 41)]
shares = [0, 0.025, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.975, 1]
write("quantiles", [[v, shares, np.quantile(v, shares).tolist()] for v in values])

# NFKD, case folding, letters and digits only; for text without Indic vowel signs, which the analysis keeps.
picks = random.Random(3)
ALPHABET = "aZéÉßẞİΣσς ‘’“”\"'—–-.,!?()　½²①ⅧﬁＡ１٣漢字ñÑĳǅ한국ガが中文。、؟كَتَبَ\u0301\u0323$€£%&ệĐ"


def fold(text):
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LN")


texts = ["".join(picks.choice(ALPHABET) for _ in range(picks.randint(0, 9))) for _ in range(250)]
write("fold", [[text, fold(text)] for text in texts])
