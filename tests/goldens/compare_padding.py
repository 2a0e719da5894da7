"""How many of the bundled answers padding changes in run_qa's decoding.

usage: compare_padding.py            (torch, transformers, numpy; no network)

run_qa.py pads every window to the full length, and the padded positions take places among the n best starts
and ends before those outside the passage are dropped. The answers here and of hf-style references that leave
padding out keep the candidates that it displaces.
"""
import collections
import json
import pathlib

import numpy
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

ROOT = pathlib.Path(__file__).parent / "../.."
MODEL = ROOT / "models/bundled/minilm-l6-squad"
DATA = ROOT / "benchmarks/data/mixed-bag.json"
MAX_SEQ_LEN, DOC_STRIDE, N_BEST, MAX_ANSWER_LEN = 384, 128, 20, 30


def questions():
    for article in json.loads(DATA.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield question["question"].lstrip(), paragraph["context"]


def logits(model, encoded):
    start, end = [], []
    names = ("input_ids", "attention_mask", "token_type_ids")
    with torch.no_grad():
        for first in range(0, len(encoded["input_ids"]), 16):
            output = model(**{name: torch.tensor(encoded[name][first:first + 16]) for name in names})
            start += list(output.start_logits.numpy())
            end += list(output.end_logits.numpy())
    return start, end


def answer(encoded, windows, start, end, passage, padded):
    """run_qa's best span, with the padded positions among the candidates or without."""
    candidates = []
    for window in windows:
        length = len(start[window]) if padded else sum(encoded["attention_mask"][window])
        offsets, sequences = encoded["offset_mapping"][window], encoded.sequence_ids(window)
        for first in numpy.argsort(start[window][:length])[-1:-N_BEST - 1:-1]:
            for last in numpy.argsort(end[window][:length])[-1:-N_BEST - 1:-1]:
                outside = sequences[first] != 1 or sequences[last] != 1
                if outside or last < first or last - first + 1 > MAX_ANSWER_LEN:
                    continue
                score = start[window][first] + end[window][last]
                candidates.append((score, passage[offsets[first][0]:offsets[last][1]]))
    candidates.sort(key=lambda candidate: -candidate[0])
    return candidates[0][1] if candidates else "empty"


def main():
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModelForQuestionAnswering.from_pretrained(MODEL).eval().float()
    asked = list(questions())
    encoded = tokenizer([q for q, _ in asked], [p for _, p in asked], truncation="only_second", padding="max_length",
                        max_length=MAX_SEQ_LEN, stride=DOC_STRIDE, return_overflowing_tokens=True,
                        return_offsets_mapping=True)
    start, end = logits(model, encoded)
    windows = collections.defaultdict(list)
    for window, question in enumerate(encoded["overflow_to_sample_mapping"]):
        windows[question].append(window)
    differ = 0
    for number, (_, passage) in enumerate(asked):
        one, other = (answer(encoded, windows[number], start, end, passage, padded) for padded in (False, True))
        differ += one != other
    print(f"{differ} of {len(asked)} best spans differ")


main()
