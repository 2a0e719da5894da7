"""Hugging Face transformers' answers for the bundled model and data, decoded as run_qa.py decodes.

usage: make_bundled.py PATH/TO/evaluate        writes bundled/
"""
import json
import pathlib
import sys

import numpy as np
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

import official

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
MAX_SEQ_LEN, DOC_STRIDE, N_BEST, MAX_ANSWER_LEN = 384, 128, 20, 30

model_dir = ROOT / "models/bundled/minilm-l6-squad"
articles = json.load(open(ROOT / "benchmarks/data/mixed-bag.json", encoding="utf-8"))["data"]
tokenizer = AutoTokenizer.from_pretrained(model_dir)
model = AutoModelForQuestionAnswering.from_pretrained(model_dir).eval().float()

predictions, odds, margins, windows = {}, {}, {}, {}
for article in articles:
    for paragraph in article["paragraphs"]:
        context = paragraph["context"]
        for qa in paragraph["qas"]:
            encoded = tokenizer(
                [qa["question"].lstrip()], [context], truncation="only_second", max_length=MAX_SEQ_LEN,
                stride=DOC_STRIDE, return_overflowing_tokens=True, return_offsets_mapping=True,
            )
            candidates, null_score = [], None
            windows[qa["id"]] = len(encoded["input_ids"])
            for i, ids in enumerate(encoded["input_ids"]):
                with torch.no_grad():
                    output = model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([encoded["token_type_ids"][i]]))
                start, end = output.start_logits[0].numpy(), output.end_logits[0].numpy()
                sequence = encoded.sequence_ids(i)
                offsets = [o if s == 1 else None for o, s in zip(encoded["offset_mapping"][i], sequence)]
                score = start[0] + end[0]
                if null_score is None or score < null_score:
                    null_score = score
                for s in np.argsort(start)[-1 : -N_BEST - 1 : -1].tolist():
                    for e in np.argsort(end)[-1 : -N_BEST - 1 : -1].tolist():
                        if offsets[s] is None or offsets[e] is None or e < s or e - s + 1 > MAX_ANSWER_LEN:
                            continue
                        candidates.append((start[s] + end[e], context[offsets[s][0] : offsets[e][1]]))
            candidates.sort(key=lambda c: -c[0])
            best = next((c for c in candidates if c[1]), (np.float32(0), "empty"))
            others = [c[0] for c in candidates if c[1] != best[1]]
            difference = float(null_score - best[0])
            predictions[qa["id"]] = "" if difference > 0.0 else best[1]
            odds[qa["id"]] = difference
            margins[qa["id"]] = min(abs(difference), float(best[0] - others[0]) if others else 1e9)

scores = official.v2(official.load(sys.argv[1], "squad_v2"), articles, predictions)
for name, value in (("predictions", predictions), ("null_odds", odds), ("margins", margins), ("windows", windows), ("official", scores)):
    with open(HERE / "bundled" / f"{name}.json", "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=0)
        file.write("\n")
print(scores, "windows", sum(windows.values()), "questions of several windows", sum(w > 1 for w in windows.values()))
