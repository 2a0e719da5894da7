"""Awkward predictions for the bundled data, with what the official scorers say of them.

usage: make_score.py PATH/TO/evaluate          writes score/
"""
import json
import pathlib
import random
import sys

import official

HERE = pathlib.Path(__file__).parent
articles = json.load(open(HERE.parent.parent / "benchmarks/data/mixed-bag.json", encoding="utf-8"))["data"]
v1, v2 = official.load(sys.argv[1], "squad"), official.load(sys.argv[1], "squad_v2")
rng = random.Random(7)
SPICE = ["the ", " a", "An ", ".", "!?", "\u00a0", "\u001c", "\u3000", "²", "\u0301", " THE end", "ß", "İ", "Σ", "—", "‘the’", "_the_", "a²", "٣", "Ⅷ", "🍕", "x\u200by"]


def spoil(text, context):
    """A gold answer with something done to it, or a random piece of the passage."""
    for _ in range(rng.randint(0, 3)):
        at = rng.randint(0, len(text))
        text = rng.choice([
            lambda: text[:at] + rng.choice(SPICE) + text[at:],
            lambda: text[at:], lambda: text[:at], text.upper, text.swapcase, lambda: text + " " + text,
            lambda: (lambda s: context[s : s + rng.randint(0, 60)])(rng.randrange(len(context))),
        ])()
    return text


def questions(with_unanswerable):
    for article in articles:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                if qa["answers"] or with_unanswerable:
                    yield paragraph["context"], qa


def write(name, value):
    with open(HERE / "score" / f"{name}.json", "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=True, indent=0)
        file.write("\n")


# v1.1: the answerable half of the data set; one in twenty is missing, which counts as wrong.
only = [{"paragraphs": [{"context": p["context"], "qas": [q for q in p["qas"] if q["answers"]]} for p in a["paragraphs"]]} for a in articles]
predictions = {q["id"]: spoil(rng.choice(q["answers"])["text"], c) for c, q in questions(False) if rng.random() > 0.05}
write("v1.predictions", predictions)
write("v1.expected", v1.compute_score(only, predictions))

# v2.0: every question has a prediction; probabilities have ties.
predictions = {q["id"]: "" if rng.random() < 0.3 else spoil(rng.choice(q["answers"])["text"] if q["answers"] else c[:20], c) for c, q in questions(True)}
probabilities = {k: round(rng.random(), 1) for k in rng.sample(list(predictions), len(predictions))}
write("v2.predictions", predictions)
write("v2.na_prob", probabilities)
write("v2.expected", {
    "plain": official.v2(v2, articles, predictions),
    "na_prob": official.v2(v2, articles, predictions, probabilities),
    "na_prob_0.5": official.v2(v2, articles, predictions, probabilities, 0.5),
})

# Cases made of those two files: predictions and probabilities for no question, probabilities that
# are all equal or all different, below zero as null odds are, and above every threshold. The
# probabilities are those of no question and of the questions in the order of v2.na_prob.
nobody = {f"nobody-{n}": "the end" for n in range(5)}
extra = {k: -n for n, k in enumerate(nobody)}
count = len(probabilities)
different = [round(8 * v + n / 64 - 5, 6) for n, v in enumerate(probabilities.values())]
cases = []
for unknown, before, values, threshold in [
    (nobody, {}, None, 1.0),
    (nobody, extra, list(probabilities.values()), 0.3),
    ({}, {}, [0.25] * count, 0.25),
    ({}, {}, [1] * count, 0.5),
    ({}, {}, different, -1.5),
    ({}, {}, different, 3),
]:
    given = None if values is None else {**before, **dict(zip(probabilities, values))}
    expected = official.v2(v2, articles, {**predictions, **unknown}, given, threshold)
    cases.append({"predictions": unknown, "before": before, "values": values, "threshold": threshold, "expected": expected})
with open(HERE / "score" / "v2.cases.json", "w", encoding="utf-8") as file:
    file.write("[" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "]\n")
