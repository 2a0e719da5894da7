"""What the google and pipeline decoders must answer, by the scripts they are named after.

usage: make_decode.py PATH/TO/google-research/bert        writes decode/
(transformers 4.57, the last version with the pipeline and squad_metrics.py; numpy, torch, sentencepiece)

The logits of cases.json are no model's: they follow from the tokens and positions by `logits` below, which
tests/decoders.rs repeats exactly, so that decoders are compared and not arithmetic. The answers of
bundled.json are those of the bundled model, with logits that a model gives.

google, WordPiece: run_squad.py of BERT itself (TensorFlow, which it only logs and reads files with, is replaced).
google, others: squad_convert_example_to_features and compute_predictions_logits of transformers, with its
    Python ("slow") tokenizers, which they are written for.
pipeline: QuestionAnsweringPipeline of transformers with tokenizers of the tokenizers library.
"""
import collections
import importlib
import json
import os
import pathlib
import random
import sys
import tempfile
import types

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import torch
import transformers
from transformers.data.metrics import squad_metrics
from transformers.data.processors import squad as squad_processor
from transformers.pipelines import question_answering

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
OUT = HERE / "decode"
FILES = HERE / "tokenizers/files"
MODEL = ROOT / "models/bundled/minilm-l6-squad"
transformers.logging.set_verbosity_error()


# ---- questions ----

AWKWARD = [
    ("  Who  wrote it?", "Ada (“Augusta”) Lovelace wrote it in 1843; ADA LOVELACE's notes, ada lovelace’s fame."),
    ("Where?", "¿Dónde está el niño? El nin\u0303o está en São Paulo; cafe\u0301, naïve, Zoë, ÅNGSTRÖM, İstanbul, ΣΑΣ ẞß."),
    ("東京はどこ?", "東京は日本の首都。서울은 한국의 수도, und Köln 科隆 liegt am Rhein. القاهرة عاصمة مصر"),
    ("What of the office?", "The o\ufb03ce of \ufb01ne ﬂags, ＡＢＣ ① ½ ™ Ⅷ x², the\u00a0of\ufb01ce co\u00adop\u200bera\u200dtion end."),
    ("Smile?", "👩‍👩‍👧 smiled 🙂🙂 at  the\tred Red\r\nRED\u202fred, the Red-red (red) [red] red's \"red\"…  "),
    ("Is it a very long question of more than sixty-four tokens, one that goes on and on and asks, among other "
     "things, who went where, when they did so, why anybody should have cared, what it cost, and how often?",
     "It cost $1,234.50 (about 9,5 %) in the U.S.A.'s mid-1960s--or so they'd say--and wasn't cheap!"),
    ("And then", "a"),
]


def questions():
    """Awkward ones, kept in decode/data.json, and every thirtieth of the bundled data."""
    paragraphs = [
        {"context": context, "qas": [{"id": f"x-{i}", "question": question, "answers": []}]}
        for i, (question, context) in enumerate(AWKWARD)
    ]
    write("data", {"version": "v2.0", "data": [{"title": "awkward", "paragraphs": paragraphs}]})
    bundled = json.loads((ROOT / "benchmarks/data/mixed-bag.json").read_text("utf-8"))["data"]
    flat = lambda data: [(qa["id"], qa["question"], p["context"])
                         for article in data for p in article["paragraphs"] for qa in p["qas"]]
    every = flat(bundled)
    return flat([{"paragraphs": paragraphs}]) + every[::30], every


def write(name, value, **options):
    text = json.dumps(value, ensure_ascii=False, **options)
    (OUT / f"{name}.json").write_text(text + "\n", "utf-8")


# ---- logits ----

MASK = (1 << 32) - 1


def mix(x):
    """The finaliser of xxHash32."""
    x = (x ^ (x >> 15)) * 2246822519 & MASK
    x = (x ^ (x >> 13)) * 3266489917 & MASK
    return x ^ (x >> 16)


def logits(ids, window, salt, levels, null_bonus):
    """Numbers from -8 to 8 (plus null_bonus at position 0), mostly by the token, a little by its place.

    `levels` is the number of different ones, a power of two up to 2^24: a few make ties. All are exact in f32.
    """
    sides = []
    for side in (0, 1):
        values = []
        for position, token in enumerate(ids):
            by_token = mix((token * 2654435761 + side * 40503 + salt) & MASK) >> 8
            by_place = mix((position * 668265263 + window * 374761393 + side * 977 + salt) & MASK) >> 8
            level = (5 * by_token + 3 * by_place >> 3) * levels >> 24
            values.append(level * 16.0 / levels - 8.0 + (null_bonus if position == 0 else 0.0))
        sides.append(np.array(values, dtype=np.float32))
    return sides


# ---- google: BERT's own script ----

def load_google(path):
    """run_squad.py, with TensorFlow replaced by what it uses of it here."""
    quiet = types.SimpleNamespace(info=lambda *_: None, warning=lambda *_: None)
    flags = types.SimpleNamespace(FLAGS=types.SimpleNamespace(verbose_logging=False, null_score_diff_threshold=0.0))
    for kind in ("string", "integer", "float", "bool"):
        setattr(flags, f"DEFINE_{kind}", lambda *_, **__: None)
    flags.DEFINE_boolean = flags.DEFINE_bool
    tensorflow = types.ModuleType("tensorflow")
    tensorflow.flags, tensorflow.logging = flags, quiet
    tensorflow.gfile = types.SimpleNamespace(Open=open, GFile=open)
    six = types.ModuleType("six")
    six.PY2, six.PY3, six.iteritems = False, True, lambda mapping: mapping.items()
    sys.modules |= {"tensorflow": tensorflow, "six": six}
    sys.modules |= {name: types.ModuleType(name) for name in ("modeling", "optimization")}
    sys.path.insert(0, str(path))
    # DEFINE_* with a module's name as the first argument are all there is at the top level.
    return importlib.import_module("run_squad"), importlib.import_module("tokenization"), flags.FLAGS


def by_google(google, vocabulary, lower_case, asked, settings, compute):
    run_squad, tokenization, FLAGS = google
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data = [{"paragraphs": [{"context": c, "qas": [{"id": i, "question": q}]}]} for i, q, c in asked]
        (folder / "data.json").write_text(json.dumps({"data": data}), "utf-8")
        tokenizer = tokenization.FullTokenizer(str(vocabulary), do_lower_case=lower_case)
        tokenizer.wordpiece_tokenizer.max_input_chars_per_word = 100  # tokenizer.json's
        examples = run_squad.read_squad_examples(str(folder / "data.json"), is_training=False)
        features = []
        run_squad.convert_examples_to_features(
            examples, tokenizer, settings["max_seq_len"], settings["doc_stride"], settings["max_question_len"], False,
            features.append)
        results = []
        for feature in features:
            length = len(feature.tokens)  # unpadded, as windows are here
            start, end = compute(feature.input_ids[:length], feature.segment_ids[:length], feature.doc_span_index)
            results.append(run_squad.RawResult(
                unique_id=feature.unique_id, start_logits=[float(x) for x in start], end_logits=[float(x) for x in end]))
        FLAGS.version_2_with_negative = settings["null_allowed"]
        outputs = [str(folder / name) for name in ("predictions", "n_best", "odds")]
        answers = {}
        for index, example in enumerate(examples):
            own = [feature for feature in features if feature.example_index == index]
            for feature in own:
                feature.example_index = 0
            try:
                run_squad.write_predictions(
                    [example], own, results, settings["n_best"], settings["max_answer_len"], lower_case, *outputs)
            except AttributeError:  # the script fails where there is no span among the n best
                continue
            finally:
                for feature in own:
                    feature.example_index = None
            answers |= google_answers(outputs, settings, [len(own)])
        return answers


def features_of(features, ids):
    counts = collections.Counter(ids[f.example_index] for f in features)
    return [counts[i] for i in ids]


def google_answers(outputs, settings, windows):
    predictions, n_best = (json.loads(pathlib.Path(path).read_text("utf-8")) for path in outputs[:2])
    odds = json.loads(pathlib.Path(outputs[2]).read_text("utf-8")) if settings["null_allowed"] else {}
    answers = {}
    for (id, text), count in zip(predictions.items(), windows):
        spans = [(e["text"], e["start_logit"] + e["end_logit"]) for e in n_best[id] if e["text"]]
        margin = spans[0][1] - spans[1][1] if len(spans) > 1 else None
        answers[id] = {"text": text, "best": spans[0][1], "null_odds": odds.get(id), "margin": margin, "windows": count}
    return answers


# ---- google: transformers' extension ----

def by_squad_metrics(tokenizer, lower_case, asked, settings, compute):
    squad_processor.squad_convert_example_to_features_init(tokenizer)
    examples, features, results = [], [], []
    for index, (id, question, context) in enumerate(asked):
        example = squad_processor.SquadExample(id, question, context, None, None, None)
        made = squad_processor.squad_convert_example_to_features(
            example, settings["max_seq_len"], settings["doc_stride"], settings["max_question_len"], "do_not_pad", False)
        examples.append(example)
        for window, feature in enumerate(made):
            feature.example_index, feature.unique_id = index, len(features)
            start, end = compute(feature.input_ids, feature.token_type_ids, window)
            results.append(squad_processor.SquadResult(len(features), start.tolist(), end.tolist()))
            features.append(feature)
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"{folder}/{name}" for name in ("predictions", "n_best", "odds")]
        squad_metrics.compute_predictions_logits(
            examples, features, results, settings["n_best"], settings["max_answer_len"], lower_case, *outputs, False,
            settings["null_allowed"], 0.0, tokenizer)
        return google_answers(outputs, settings, features_of(features, [e.qas_id for e in examples]))


# ---- pipeline ----

class Recorded:
    """The pipeline without a model; keeps the candidates that it sorts at the end."""

    def __init__(self, tokenizer):
        self.pipeline = object.__new__(question_answering.QuestionAnsweringPipeline)
        self.pipeline.tokenizer, self.pipeline.framework = tokenizer, "pt"
        question_answering.sorted = self.sorted

    def sorted(self, answers, **options):
        self.answers = sorted(answers, **options)
        return self.answers

    def answer(self, id, question, context, settings, compute):
        sample = self.pipeline.create_sample(question, context)
        inputs = list(self.pipeline.preprocess(
            sample, doc_stride=settings["doc_stride"], max_seq_len=settings["max_seq_len"]))
        outputs = []
        for window, given in enumerate(inputs):
            ids = given["input_ids"][0].tolist()
            types = given["token_type_ids"][0].tolist() if "token_type_ids" in given else [0] * len(ids)
            start, end = compute(ids, types, window)
            outputs.append({"start": torch.tensor(start)[None], "end": torch.tensor(end)[None], **given})
        answer = self.pipeline.postprocess(
            outputs, handle_impossible_answer=settings["null_allowed"], max_answer_len=settings["max_answer_len"])
        answers = self.answers
        null = None
        if settings["null_allowed"]:
            # The null answer is put last, and sorting is stable: it is the last of its score.
            null_score = min(min_null(output, question_answering) for output in outputs)
            null = next(a for a in reversed(answers) if a["answer"] == "" and a["score"] == null_score)
            answers = [a for a in answers if a is not null]
        best = answers[0]
        return {
            "text": answer["answer"], "start": best["start"], "end": best["end"], "best": best["score"],
            "null_odds": null["score"] - best["score"] if null else None,
            "margin": best["score"] - answers[1]["score"] if len(answers) > 1 else None, "windows": len(outputs),
        }


def min_null(output, module):
    mask = output["attention_mask"].numpy() if "attention_mask" in output else None
    return module.select_starts_ends(
        output["start"], output["end"], output["p_mask"], mask, handle_impossible_answer=True)[3]


def by_pipeline(tokenizer, asked, settings, compute):
    recorded = Recorded(tokenizer)
    return {id: recorded.answer(id, question, context, settings, compute) for id, question, context in asked}


# ---- cases ----

SETTINGS = dict(max_seq_len=64, doc_stride=24, max_question_len=24, n_best=20, max_answer_len=30, null_allowed=True)
NULL_BONUS = 4.0
ALL_LEVELS = 1 << 24


def rule(case):
    return lambda ids, types, window: logits(ids, window, case["salt"], case["levels"], case["null_bonus"])


def slow(name):
    """A Python tokenizer and the vocabulary files it is made of: name expected of them, name in FILES."""
    if name == "roberta":
        files = {"vocab.json": "roberta/vocab.json", "merges.txt": "roberta/merges.txt"}
        return transformers.RobertaTokenizer(FILES / "roberta/vocab.json", FILES / "roberta/merges.txt"), files, False
    if name == "xlm-roberta":
        # Its name is missing where transformers counts separators; see the notes in src/decode/google.rs.
        squad_processor.MULTI_SEP_TOKENS_TOKENIZERS_SET.add("xlmroberta")
        files = {"sentencepiece.bpe.model": "fairseq.model"}
        return transformers.XLMRobertaTokenizer(str(FILES / "fairseq.model")), files, False
    if name == "deberta-v2":
        files = {"spm.model": "nmt.model"}
        return transformers.DebertaV2Tokenizer(str(FILES / "nmt.model"), unk_token="<unk>"), files, False
    files = {"spiece.model": "nmt.model"}
    return transformers.AlbertTokenizer(str(FILES / "nmt.model")), files, True


def google_cases(google, asked):
    wordpiece = [("bert", "uncased.txt", True), ("bert", "cased.txt", False)]
    other = ["roberta", "albert", "deberta-v2", "xlm-roberta"]
    variants = [
        dict(),
        dict(null_allowed=False, max_answer_len=6, doc_stride=16, n_best=7),
        dict(levels=8, salt=3, n_best=5),  # ties
    ]
    extra = [  # a step wider than the windows, questions cut short
        dict(max_seq_len=40, doc_stride=60, max_question_len=5, salt=4),
    ]
    for name, vocabulary, lower_case in wordpiece:
        for variant in variants + extra:
            case = new_case("google", name, {"vocab.txt": vocabulary}, variant)
            case["lower_case"] = lower_case
            answers = by_google(google, FILES / vocabulary, lower_case, asked, case["settings"], rule(case))
            yield case | {"answers": answers}
    for name in other:
        tokenizer, files, lower_case = slow(name)
        # Without XLM-RoBERTa's own character map, only the tokenizers library splits words at U+00A0.
        if name == "xlm-roberta":
            asked = [q for q in asked if "\u00a0" not in q[2]]
        for variant in variants + [dict(n_best=1, null_bonus=8.0)]:
            case = new_case("google", name, files, variant)
            answers = by_squad_metrics(tokenizer, lower_case, asked, case["settings"], rule(case))
            yield case | {"answers": answers}


def pipeline_cases(asked):
    for name in ("bert", "mpnet", "roberta", "deberta", "xlm-roberta", "albert"):
        folder = HERE / "architectures" / name
        given = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        given = {k: v for k, v in given.items() if k.endswith("_token")}
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **given)
        short = [q for q in asked if len(tokenizer(q[1])["input_ids"]) < 60]
        for variant in (dict(), dict(null_allowed=False, max_answer_len=6, salt=1)):
            variant = dict(max_seq_len=96, max_answer_len=15) | variant
            case = new_case("pipeline", name, None, variant)
            yield case | {"answers": by_pipeline(tokenizer, short, case["settings"], rule(case))}


def new_case(decoder, name, files, variant):
    case = dict(decoder=decoder, tokenizer=name, files=files, salt=0, levels=ALL_LEVELS, null_bonus=NULL_BONUS)
    case |= {k: v for k, v in variant.items() if k in case}
    return case | {"settings": SETTINGS | {k: v for k, v in variant.items() if k in SETTINGS}}


# ---- get_final_text ----

def final_texts(google):
    """Predictions that fit, nearly fit and do not fit, with what BERT's and transformers' function make of them."""
    run_squad, tokenization, _ = google
    pieces = [
        "Steve", "Smith's", "(Zoë),", "São", "Paulo;", "cafe\u0301", "o\ufb03ce", "ＡＢＣ", "東京は日本", "科隆liegt", "U.S.A.",
        "İstanbul", "ΣΑΣ", "ẞß", "ǅ", "co\u00adop", "a\u200bb", "the\u00a0red", "\ue000x", "\u0378y", "🙂🙂", "mid-1960s--or",
        "“red”…", "$1,234.50", "##ing", "x²", "\u1e9b\u0323", "한국의", "\u1100\u1161\u11a8", "日\uf900本", "\u2126", "\U0002f800", "a\u0000b",
        "n\ufffdo", "\u0345x", "e\u0301\u0323", "Å", "A\u030a", "_under_", "`tick`", "^", "«quote»", "¿que?", "\u2028z", "l’été",
    ]
    chooser, rows = random.Random(5), []
    for number in range(260):
        original = " ".join(chooser.choices(pieces, k=chooser.randint(1, 5)))
        lower_case = number % 2 == 0
        transformers_one = squad_metrics.BasicTokenizer(do_lower_case=lower_case)
        words = (tokenization.BasicTokenizer(do_lower_case=lower_case) if number % 3 else transformers_one).tokenize(original)
        first = chooser.randrange(len(words)) if words else 0
        words = words[first : chooser.randint(first + 1, max(len(words), first + 1))]
        predicted = ("" if number % 5 == 4 else " ").join(words)
        if number % 7 == 6:
            predicted = predicted[1:-1].strip()  # parts of words, and sometimes nothing
        rows.append([
            predicted, original, lower_case, run_squad.get_final_text(predicted, original, lower_case),
            squad_metrics.get_final_text(predicted, original, lower_case),
        ])
    return rows


# ---- the bundled model ----

def bundled(google, asked):
    """Answers of the bundled model at windows of 128, with and without the null answer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(MODEL).eval().float()
    cache = {}

    @torch.no_grad()
    def compute(ids, types, _window):
        key = (tuple(ids), tuple(types))
        if key not in cache:
            output = model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types]))
            cache[key] = output.start_logits[0].numpy(), output.end_logits[0].numpy()
        return cache[key]

    settings = SETTINGS | dict(max_seq_len=128, doc_stride=48, max_question_len=64)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as vocabulary:
        pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        vocabulary.write("".join(f"{piece}\n" for piece, _ in pieces))
        vocabulary.flush()
        both = lambda answer: [answer(settings | dict(null_allowed=null)) for null in (False, True)]
        spans, nulls = both(lambda s: by_google(google, vocabulary.name, True, asked, s, compute))
        yield "google", settings, spans, nulls
    settings = settings | dict(max_answer_len=15)
    spans, nulls = both(lambda s: by_pipeline(tokenizer, asked, s, compute))
    yield "pipeline", settings, spans, nulls


def summary(spans, nulls):
    """Text, odds of null and margin of each question; null wins where the odds are above 0."""
    for id, span in spans.items():
        assert nulls[id]["text"] == ("" if nulls[id]["null_odds"] > 0 else span["text"]), id
    return {id: [span["text"], round(nulls[id]["null_odds"], 5), span["margin"] and round(span["margin"], 5)]
            for id, span in spans.items()}


def main():
    OUT.mkdir(exist_ok=True)
    google = load_google(sys.argv[1])
    asked, every = questions()
    write("final_text", final_texts(google), indent=0)
    cases = [*google_cases(google, asked), *pipeline_cases(asked)]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    (OUT / "cases.json").write_text(f"[\n{lines}\n]\n", "utf-8")
    write("bundled", {name: {"settings": settings, "answers": summary(spans, nulls)}
                      for name, settings, spans, nulls in bundled(google, every[::4])})
    for case in cases:
        texts = [answer["text"] for answer in case["answers"].values()]
        print(case["decoder"], case["tokenizer"], len(texts), "answers,", texts.count(""), "null,",
              sum(answer["windows"] for answer in case["answers"].values()), "windows")


if __name__ == "__main__":
    main()
