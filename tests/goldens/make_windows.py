"""Windows as the Python tokenizers cut them, where their byte-level post-processor has a rule of its own.

usage: make_windows.py            (transformers; no network)

With trim_offsets and add_prefix_space the first token of each window keeps the
white space before it. The tokenizer is the golden RoBERTa's with
add_prefix_space switched on; the text is that of benchmarks/data/mixed-bag.json.
"""
import json
import pathlib

from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
OUT = HERE / "windows"
MAX_SEQ_LEN, DOC_STRIDE = 192, 32


def tokenizer_file():
    """The golden RoBERTa tokenizer with a space put before every text."""
    parts = json.loads((HERE / "architectures/roberta/tokenizer.json").read_text(encoding="utf-8"))
    for part in (parts["pre_tokenizer"], parts["post_processor"]):
        part["add_prefix_space"] = True
        part["trim_offsets"] = True
    path = OUT / "tokenizer.json"
    path.write_text(json.dumps(parts, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    return path


def questions():
    data = json.loads((HERE / "../../benchmarks/data/mixed-bag.json").read_text(encoding="utf-8"))
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            # One a passage is enough: windows are cut of passages.
            question = paragraph["qas"][0]
            yield question["id"], question["question"].lstrip(), paragraph["context"]


def main():
    OUT.mkdir(exist_ok=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file()))
    windows = {}
    for identity, question, passage in list(questions())[:4]:
        encoded = tokenizer(question, passage, truncation="only_second", max_length=MAX_SEQ_LEN, stride=DOC_STRIDE,
                            return_overflowing_tokens=True, return_offsets_mapping=True)
        windows[identity] = [
            {"ids": ids, "offsets": [list(o) for o, s in zip(offsets, encoded.sequence_ids(at)) if s == 1]}
            for at, (ids, offsets) in enumerate(zip(encoded["input_ids"], encoded["offset_mapping"]))
        ]
    expected = {"max_seq_len": MAX_SEQ_LEN, "doc_stride": DOC_STRIDE, "windows": windows}
    (OUT / "windows.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n", encoding="utf-8")
    print(sum(map(len, windows.values())), "windows of", len(windows), "questions")


main()
