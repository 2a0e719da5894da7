"""One small data set in every format that is read, and what it holds.

usage: make_datasets.py          needs pyarrow and NumPy; writes datasets/
"""
import gzip
import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent / "datasets"
HERE.mkdir(exist_ok=True)

RIVERS = "The Elbe 👩‍🚀 rises at 1,386 metres. It is 1,094 km long."
BREAD = "Zé bakes rye bread on Mondays."
# id, title, passage, question, answers with their offsets in code points
QUESTIONS = [
    ("r1", "Rivers", RIVERS, "How high is the source?", [("1,386 metres", 22), ("1,386", 22)]),
    ("r2", "Rivers", RIVERS, "How long is the Elbe?", [("1,094 km", 42)]),
    ("b1", "Bread", BREAD, "Who bakes?", [("Zé", 0)]),
    ("b2", "Bread", BREAD, "Who eats the bread?", []),
]
for _, _, passage, _, answers in QUESTIONS:
    for text, start in answers:
        assert passage[start : start + len(text)] == text, (text, passage.find(text))


def write(name, data):
    (HERE / name).write_bytes(data)


def as_json(value):
    return json.dumps(value, ensure_ascii=False).encode()


write("expected.json", as_json(QUESTIONS) + b"\n")

# SQuAD: one document.
articles = []
for title in ("Rivers", "Bread"):
    of = [q for q in QUESTIONS if q[1] == title]
    qas = [{"id": i, "question": q, "answers": [{"text": t, "answer_start": s} for t, s in a]} for i, _, _, q, a in of]
    articles.append({"title": title, "paragraphs": [{"context": of[0][2], "qas": qas}]})
squad = as_json({"version": "v2.0", "data": articles})
write("squad.json", squad)
write("squad.json.gz", gzip.compress(squad, mtime=0))

# MRQA: a passage a line after a header. Ends of spans are within the answer; aliases are in no passage.
lines = [{"header": {"dataset": "Rivers", "split": "dev"}}]
for passage in (RIVERS, BREAD):
    qas = []
    for i, _, p, q, answers in QUESTIONS:
        if p == passage:
            detected = [{"text": t, "char_spans": [[s, s + len(t) - 1]], "token_spans": [[0, 0]]} for t, s in answers]
            qas.append({"qid": i, "id": i, "question": q, "question_tokens": [], "answers": [t for t, _ in answers], "detected_answers": detected})
    lines.append({"id": "", "context": passage, "context_tokens": [], "qas": qas})
mrqa = b"".join(as_json(line) + b"\n" for line in lines)
write("mrqa.jsonl", mrqa)
write("mrqa.jsonl.gz", gzip.compress(mrqa, mtime=0))

# Rows: a question a line or row.
rows = [
    {"id": i, "title": t, "context": c, "question": q, "answers": {"text": [t for t, _ in a], "answer_start": [s for _, s in a]}}
    for i, t, c, q, a in QUESTIONS
]
write("rows.jsonl", b"".join(as_json(row) + b"\r\n" for row in rows))

struct = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])
columns = [("id", pa.string()), ("title", pa.string()), ("context", pa.string()), ("question", pa.string())]


def table(answers=struct, extra=()):
    return pa.Table.from_pylist(rows, schema=pa.schema([*columns, ("answers", answers), *extra]))


for codec in ("none", "snappy", "gzip", "lz4", "zstd", "brotli"):
    pq.write_table(table(), HERE / f"{codec}.parquet", compression=codec)
# Several row groups, pages of the second version, long strings and dictionaries off.
pq.write_table(table(), HERE / "groups.parquet", row_group_size=1, data_page_version="2.0", use_dictionary=False)
large = pa.struct([("text", pa.large_list(pa.large_string())), ("answer_start", pa.large_list(pa.int64())), ("answer_id", pa.list_(pa.int64()))])
pq.write_table(table(large, [("language", pa.string())]), HERE / "large.parquet")
# A list of structs in place of a struct of lists.
as_list = [{**row, "answers": [{"text": t, "answer_start": s} for t, s in zip(row["answers"]["text"], row["answers"]["answer_start"])]} for row in rows]
pair = pa.list_(pa.struct([("text", pa.string()), ("answer_start", pa.int32())]))
pq.write_table(pa.Table.from_pylist(as_list, schema=pa.schema([*columns, ("answers", pair)])), HERE / "list_of_structs.parquet")

# MRQA's sets in one table: ids under another name, answers without offsets.
subsets = [
    {"subset": t, "context": c, "qid": i, "question": q, "answers": [t for t, _ in a]} for i, t, c, q, a in QUESTIONS
]
pq.write_table(pa.Table.from_pylist(subsets), HERE / "subsets.parquet")

# What cannot be used.
pq.write_table(table().drop_columns(["answers"]), HERE / "bad_columns.parquet")
pq.write_table(table().set_column(3, "question", pa.array([1, 2, 3, 4])), HERE / "bad_type.parquet")
hidden = [{**row, "answers": None} for row in rows]
pq.write_table(pa.Table.from_pylist(hidden, schema=table().schema), HERE / "bad_hidden.parquet")
pq.write_table(table().slice(0, 0), HERE / "bad_empty.parquet")
uneven = [{**row, "answers": {"text": ["a", "b"], "answer_start": [1]}} for row in rows]
pq.write_table(pa.Table.from_pylist(uneven, schema=table().schema), HERE / "bad_uneven.parquet")
twice = pa.concat_tables([table(), table()])
pq.write_table(twice, HERE / "bad_twice.parquet")

# A page whose checksum tells that a letter of a question was changed.
pq.write_table(table(), HERE / "bad_checksum.parquet", write_page_checksum=True, use_dictionary=False, compression="none", write_statistics=False)
content = (HERE / "bad_checksum.parquet").read_bytes()
write("bad_checksum.parquet", content.replace(b"Who bakes?", b"Who wakes?"))

# A footer that promises another number of rows than its groups of rows hold: 4 and 3, as zigzag numbers.
content = bytearray((HERE / "none.parquet").read_bytes())
for at in range(content.rindex(b"PAR1") - 1, 0, -1):
    if content[at] == 8:
        lying = bytes(content[:at]) + b"\x06" + bytes(content[at + 1 :])
        try:
            metadata = pq.read_metadata(pa.BufferReader(lying))
        except Exception:
            continue
        if metadata.num_rows == 3 and metadata.row_group(0).num_rows == 4:
            write("bad_rows.parquet", lying)
            break

# A thousand bytes that stand for eleven million answers.
count = 11_000_000
words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int8)), pa.array(["a"]))
many = pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), words)
row = {"id": ["1"], "context": ["a b"], "question": ["What?"], "answers": many}
pq.write_table(pa.table(row), HERE / "bad_many.parquet", compression="zstd", data_page_size=1 << 30)
