"""SciPy's and NumPy's figures for made-up measurements, to check src/stats by.

usage: make_stats.py          writes stats/expected.json (needs numpy and scipy)
"""
import json
import math
import pathlib

import numpy as np
import scipy.stats

HERE = pathlib.Path(__file__).parent / "stats"
rng = np.random.default_rng(5)
expected = {}


def by_rule(n, step, modulus, rise=0.0):
    """A series too long for a file; tests/stats.rs has the same rule."""
    i = np.arange(n)
    return 100.0 + (i * step % modulus) / 64.0 + rise * i


# Medians.
expected["medians"] = [
    [x.tolist(), float(np.median(x))] for x in (np.round(rng.lognormal(1, 0.5, n), 3) for n in (1, 2, 3, 10, 11, 64))
]


# Intervals of quantiles: ranks by SciPy where it has both ends, coverage from its binomial distribution.
def quantile_interval(n, q, level):
    values = np.arange(1.0, n + 1)
    ends = scipy.stats.quantile_test(values, q=0.0, p=q).confidence_interval(level)
    held = not (math.isnan(ends.low) or math.isnan(ends.high))
    low, high = (1 if math.isnan(ends.low) else int(ends.low)), (n if math.isnan(ends.high) else int(ends.high))
    number = scipy.stats.binom(n, q)
    # P(low <= number of values below the quantile < high), from the tails: they are small.
    return [n, q, level, low, high, float(1 - number.cdf(low - 1) - number.sf(high - 1)), held]


expected["quantile_intervals"] = [
    quantile_interval(n, q, level)
    for n in (1, 2, 3, 5, 6, 7, 8, 10, 17, 30, 100, 367, 368, 1000, 24576, 1_000_000)
    for q in (0.25, 0.5, 0.9, 0.99, 0.999)
    for level in (0.9, 0.95, 0.99)
]


# Student's t.
expected["student"] = [
    [freedom, level, float(scipy.stats.t.ppf((1 + level) / 2, freedom))]
    for freedom in (1, 2, 3, 4, 5, 9, 11.37, 29.5, 99, 127.9, 999, 1e5, 1e6)
    for level in (0.01, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)
]


# MSER-5, straight from the definition: the mean squared deviation of what is left, over its number.
def mser_5(values):
    means = values[: len(values) // 5 * 5].reshape(-1, 5).mean(axis=1)
    m = len(means)
    statistic = [((means[d:] - means[d:].mean()) ** 2).sum() / (m - d) ** 2 for d in range(m - 4)]
    cut = int(np.argmin(statistic))
    return [5 * cut, bool(cut <= m // 2)]


def warming(n, size, length):
    noise = np.zeros(n)
    for i in range(1, n):
        noise[i] = 0.5 * noise[i - 1] + rng.normal(0, 1)
    return np.round(50 + noise + size * np.exp(-np.arange(n) / length), 3)


series = [
    np.round(rng.lognormal(3, 0.3, 50), 3), warming(203, 30, 10), warming(400, 10, 40), warming(400, 25, 300),
    np.round(rng.normal(10, 1, 120), 1), np.round(np.linspace(5, 9, 100) + rng.normal(0, 0.1, 100), 2),
]
series[4][[7, 30, 31, 90, 119]] = [15.5, 4.0, 25.0, 12.8, -10.0]


def mann_kendall(values):
    """Kendall's formulas; S, z and p as pymannkendall's original_test has them."""
    n = len(values)
    s = int(np.sign(values[None, :] - values[:, None])[np.triu_indices(n, 1)].sum())
    _, ties = np.unique(values, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    z = (s - np.sign(s)) / math.sqrt(variance) if s else 0.0
    # The same S by SciPy: tau-b undone.
    tau = scipy.stats.kendalltau(np.arange(n), values).statistic
    pairs = n * (n - 1) / 2
    assert s == round(tau * math.sqrt(pairs * (pairs - (ties * (ties - 1) / 2).sum())))
    return float(z), float(2 * scipy.stats.norm.sf(abs(z)))


def blocks(values):
    length = -(-len(values) // 500)
    return values[: len(values) // length * length].reshape(-1, length).mean(axis=1), length


def trend(values):
    points, length = blocks(values)
    z, p = mann_kendall(points)
    slope = float(scipy.stats.theilslopes(points)[0]) / length
    return [z, p, slope, float(100 * slope * (len(values) - 1) / abs(np.median(points)))]


def autocorrelation(values):
    deviations = values - values.mean()
    return float((deviations[:-1] * deviations[1:]).sum() / (deviations**2).sum())


def outliers(values):
    first, third = np.percentile(values, [25, 75])
    mild, severe = 1.5 * (third - first), 3 * (third - first)
    low_severe, high_severe = (values < first - severe).sum(), (values > third + severe).sum()
    low, high = (values < first - mild).sum(), (values > third + mild).sum()
    return [int(x) for x in (low_severe, low - low_severe, high - high_severe, high_severe)]


def figures(values):
    return {
        "mser_5": mser_5(values), "trend": trend(values), "autocorrelation": autocorrelation(values),
        "outliers": outliers(values),
    }


expected["series"] = [{"values": x.tolist(), **figures(x)} for x in series]
rules = [[1501, 7919, 1009, 0.0], [20_003, 7919, 10_007, 1e-4], [100_000, 104_729, 1_000_003, -1e-3]]
expected["series_by_rule"] = [{"rule": rule, **figures(by_rule(*rule))} for rule in rules]


# Growth of memory: samples at uneven times, some twice.
def growth(times, sizes):
    slope = float(scipy.stats.theilslopes(blocks(sizes)[0], blocks(times)[0])[0])
    return [slope, slope * float(times[-1] - times[0]), mann_kendall(blocks(sizes)[0])[1]]


expected["growth"] = []
for n, rate in ((12, 0.0), (90, 3e5), (1203, 2e4)):
    times = np.round(np.sort(rng.uniform(0, 60, n)), 2 if n < 1000 else 1)
    sizes = np.round((2e8 + rate * times + rng.exponential(1e6, n)) / 4096) * 4096
    expected["growth"].append({"time_s": times.tolist(), "bytes": sizes.tolist(), "figures": growth(times, sizes)})


# Comparisons: estimate and ends of the interval of the difference of logarithms.
def trimmed(values):
    """Mean, number and squared standard error (Yuen) of what is left without a fifth at either end."""
    cut = len(values) // 5
    left = len(values) - 2 * cut
    wins = np.asarray(scipy.stats.mstats.winsorize(values, limits=(cut / len(values),) * 2))
    return scipy.stats.trim_mean(values, cut / len(values)), left, ((wins - wins.mean()) ** 2).sum() / (left * (left - 1))


def ends(mean, squared_error, freedom, level):
    half = scipy.stats.t.ppf((1 + level) / 2, freedom) * math.sqrt(squared_error)
    return [float(x) for x in (mean, mean - half, mean + half)]


def paired(base, candidate, level):
    differences = np.log(candidate / base)
    mean, left, squared_error = trimmed(differences)
    found = ends(mean, squared_error, left - 1, level)
    if len(base) < 5:
        theirs = scipy.stats.ttest_rel(np.log(candidate), np.log(base)).confidence_interval(level)
        assert np.allclose(found[1:], [theirs.low, theirs.high], rtol=1e-10)
    return found


def unpaired(base, candidate, level):
    (mean_b, left_b, error_b), (mean_c, left_c, error_c) = trimmed(np.log(base)), trimmed(np.log(candidate))
    error = error_b + error_c
    freedom = error**2 / (error_b**2 / (left_b - 1) + error_c**2 / (left_c - 1))
    theirs = scipy.stats.ttest_ind(np.log(candidate), np.log(base), equal_var=False, trim=0.2)
    assert np.allclose([(mean_c - mean_b) / math.sqrt(error), freedom], [theirs.statistic, theirs.df], rtol=1e-10)
    return ends(mean_c - mean_b, error, freedom, level)


expected["comparisons"] = []
for n, level in ((2, 0.95), (3, 0.99), (4, 0.95), (5, 0.95), (9, 0.99), (10, 0.95), (10, 0.99), (23, 0.9), (40, 0.95)):
    drift = rng.normal(0, 0.05, n)
    base = np.round(200 * np.exp(drift + rng.normal(0, 0.03, n)) * np.where(rng.random(n) < 0.1, 1.3, 1), 3)
    candidate = np.round(212 * np.exp(drift + rng.normal(0, 0.03, n)) * np.where(rng.random(n) < 0.1, 1.3, 1), 3)
    longer = np.append(candidate, np.round(rng.lognormal(5.3, 0.1, 3), 3))
    expected["comparisons"].append({
        "base": base.tolist(), "candidate": longer.tolist(), "level": level,
        "paired": paired(base, candidate, level), "unpaired": unpaired(base, longer, level),
    })

HERE.mkdir(exist_ok=True)
with open(HERE / "expected.json", "w", encoding="utf-8") as file:
    json.dump(expected, file, separators=(",", ":"))
    file.write("\n")
