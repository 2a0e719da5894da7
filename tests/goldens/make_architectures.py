"""Tiny random checkpoints of every architecture, with the logits and answers that Hugging Face
transformers gives for them. Writes architectures/.

Each folder is a checkpoint as save_pretrained writes it, with
golden.safetensors: ragged sequences laid end to end (`lengths`, `input_ids`, and `token_type_ids` where the
    model is fed them), each computed alone: `start_logits` and `end_logits`, and the same with an `f16.` or
    `bf16.` prefix for weights rounded to that type (the arithmetic stays float32);
expected.json: the answers to twelve questions of benchmarks/data/mixed-bag.json, and how far torch's own
    half-precision arithmetic strays from its float32 logits.
A name with a suffix (bert-relu) is a smaller variant that sets other fields of the configuration.
architectures/files/ holds one tinier BERT in every file format that weights are published in.

Vocabularies come from mixed-bag.json. All seeds are fixed: a second run writes the same bytes.
"""
import collections
import inspect
import json
import math
import os
import pathlib
import shutil
import unittest.mock
import zlib

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
OUT = HERE / "architectures"
ROOT = HERE.parent.parent
SETTINGS = dict(max_seq_len=64, doc_stride=24, n_best=20, max_answer_len=30, questions=12)
VOCABULARY = 240
HALVES = {"f16": torch.float16, "bf16": torch.bfloat16}

DATA = json.loads((ROOT / "benchmarks/data/mixed-bag.json").read_text("utf-8"))["data"]
PARAGRAPHS = [paragraph for article in DATA for paragraph in article["paragraphs"]]
TEXTS = [text for p in PARAGRAPHS for text in (p["context"], *(qa["question"] for qa in p["qas"]))]


def choose_questions():
    """The six shortest questions on paragraphs with other scripts or emoji, and the six shortest on the rest.

    Short in bytes, as byte-level tokenizers see them: a window of 64 must have room for more than the stride.
    """
    ranked = sorted(
        (len(qa["question"].encode()), qa["id"], qa["question"], p["context"])
        for p in PARAGRAPHS if len(p["context"]) < 940 for qa in p["qas"]
    )
    foreign = [q for q in ranked if sum(c >= "\u0590" and not "\u2000" <= c <= "\u206f" for c in q[3]) >= 3]
    rest = [q for q in ranked if q not in foreign]
    return sorted(q[1:] for q in foreign[:6] + rest[:6])


QUESTIONS = choose_questions()


def frequent_pieces(tokenizer, size, continuing=""):
    """Pieces for a vocabulary, with counts: the commonest characters, then substrings by characters saved.

    The trainers of the tokenizers library for WordPiece and Unigram follow the order of a hash map, so
    that no two runs agree; this is cruder, and always gives the same pieces.
    """
    split = lambda text: tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
    words = collections.Counter(word for text in TEXTS for word, _ in split(text))
    singles, longer = collections.Counter(), collections.Counter()
    for word, n in words.items():
        for start in range(len(word)):
            for end in range(start + 1, min(start + 7, len(word)) + 1):
                (singles if end == start + 1 else longer)[(continuing if start else "") + word[start:end]] += n
    saved = {piece: n * (len(piece.removeprefix(continuing)) - 1) for piece, n in longer.items()}
    best = sorted(singles, key=lambda p: (-singles[p], p))[: size // 2]
    best += sorted(longer, key=lambda p: (-saved[p], p))[: size - len(best)]
    return [(piece, singles[piece] or longer[piece]) for piece in best]


def pair_template(tokenizer, specials, separators=1, second_type=1):
    first, last = specials["cls"], specials["sep"]
    pair = f"{first} $A{f' {last}' * separators} $B:{second_type} {last}:{second_type}"
    ids = [(token, tokenizer.token_to_id(token)) for token in (first, last)]
    return processors.TemplateProcessing(f"{first} $A {last}", pair, ids)


def wordpiece(specials, **template):
    tokenizer = Tokenizer(models.WordPiece(unk_token=specials["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces = [*specials.values(), *(p for p, _ in frequent_pieces(tokenizer, VOCABULARY - len(specials), "##"))]
    tokenizer.model = models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token=specials["unk"])
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = pair_template(tokenizer, specials, **template)
    return tokenizer, specials


def byte_bpe(specials):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # Only the bytes of these texts: all 256 would be most of the vocabulary.
    seen = {c for text in TEXTS for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text) for c in word}
    size, special = len(seen) + VOCABULARY // 2, list(specials.values())
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=sorted(seen), show_progress=False))
    if specials is ROBERTA:  # trims the spaces that the others leave at the start of a word
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    else:
        tokenizer.post_processor = pair_template(tokenizer, specials)
    return tokenizer, specials


def unigram(specials, folding, **template):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([*folding, normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    pieces = frequent_pieces(tokenizer, VOCABULARY - len(specials))
    total = sum(n for _, n in pieces)
    scored = [(s, 0.0) for s in specials.values()] + [(p, round(math.log(n / total), 5)) for p, n in pieces]
    tokenizer.model = models.Unigram(scored, list(specials).index("unk"))
    tokenizer.post_processor = pair_template(tokenizer, specials, **template)
    return tokenizer, specials


# Special tokens in the order of their ids.
BERT = dict(pad="[PAD]", unk="[UNK]", cls="[CLS]", sep="[SEP]", mask="[MASK]")
ROBERTA = dict(cls="<s>", pad="<pad>", sep="</s>", unk="<unk>", mask="<mask>")
MPNET = dict(cls="<s>", pad="<pad>", sep="</s>", unk="[UNK]", mask="<mask>")
ALBERT = dict(pad="<pad>", unk="<unk>", cls="[CLS]", sep="[SEP]", mask="[MASK]")
DEBERTA = dict(pad="[PAD]", cls="[CLS]", sep="[SEP]", unk="[UNK]", mask="[MASK]")
MODERN = dict(unk="[UNK]", cls="[CLS]", sep="[SEP]", pad="[PAD]", mask="[MASK]")
UNACCENTED = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
KINDS = {  # like the tokenizers of the published checkpoints
    "bert": wordpiece(BERT),
    "mpnet": wordpiece(MPNET, separators=2, second_type=0),
    "roberta": byte_bpe(ROBERTA),
    "deberta": byte_bpe(DEBERTA),
    "modernbert": byte_bpe(MODERN),
    "xlm-roberta": unigram(ROBERTA, [normalizers.NFKC()], separators=2, second_type=0),
    "albert": unigram(ALBERT, UNACCENTED),
    "deberta-v2": unigram(DEBERTA, [normalizers.NFKC()]),
}

SIZES = dict(num_hidden_layers=2, max_position_embeddings=96)
MAIN = SIZES | dict(hidden_size=24, intermediate_size=40, num_attention_heads=3, initializer_range=0.35)
SMALL = SIZES | dict(hidden_size=16, intermediate_size=24, num_attention_heads=2, initializer_range=0.4)
OFFSET = dict(max_position_embeddings=98)  # positions start after pad_token_id
ROBERTA_LIKE = MAIN | OFFSET | dict(type_vocab_size=1, layer_norm_eps=1e-5)
DISTIL = dict(dim=24, hidden_dim=40, n_layers=2, n_heads=3, max_position_embeddings=96, initializer_range=0.35)
MOBILE = SMALL | dict(hidden_size=24, embedding_size=16, intra_bottleneck_size=16, num_feedforward_networks=2)
RELATIVE = dict(relative_attention=True, position_biased_input=False)
MODERN_BIASES = dict(attention_bias=True, mlp_bias=True, norm_bias=True, classifier_bias=True)

ARCHITECTURES = {  # name: (kind of tokenizer, prefix of the classes, configuration)
    "bert": ("bert", "Bert", MAIN),
    # Odd sizes, so that a loop over a row does not end with a whole vector.
    "bert-relu": ("bert", "Bert", SMALL | dict(
        hidden_size=15, intermediate_size=21, num_attention_heads=3, hidden_act="relu", layer_norm_eps=1e-5)),
    "roberta": ("roberta", "Roberta", ROBERTA_LIKE),
    # Two token types, of which this tokenizer only ever gives the first.
    "roberta-gelu-new": ("roberta", "Roberta", SMALL | OFFSET | dict(hidden_act="gelu_new")),
    "xlm-roberta": ("xlm-roberta", "XLMRoberta", ROBERTA_LIKE),
    "camembert": ("xlm-roberta", "Camembert", ROBERTA_LIKE),
    "distilbert": ("bert", "DistilBert", DISTIL),
    # The field only says how the positions start out: they are read from the checkpoint either way.
    "distilbert-sinusoidal": ("bert", "DistilBert", DISTIL | dict(
        dim=16, hidden_dim=24, n_heads=2, sinusoidal_pos_embds=True, activation="relu")),
    "albert": ("albert", "Albert", MAIN | dict(embedding_size=16, num_hidden_layers=3)),
    # Each of the four steps goes through a group of two layers: eight layers in all.
    "albert-groups": ("albert", "Albert", SMALL | dict(
        embedding_size=16, num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2, hidden_act="relu")),
    "electra": ("bert", "Electra", MAIN | dict(embedding_size=16)),
    "electra-equal": ("bert", "Electra", SMALL | dict(embedding_size=16, hidden_act="relu")),
    "mobilebert": ("bert", "MobileBert", MOBILE | dict(num_feedforward_networks=3, initializer_range=0.2)),
    # The LayerNorm of the embeddings, and each layer's after its last dense, keep torch's 1e-5.
    "mobilebert-attention": ("bert", "MobileBert", MOBILE | dict(
        use_bottleneck_attention=True, normalization_type="layer_norm", layer_norm_eps=0.01, num_feedforward_networks=1)),
    # Not shared, queries and keys are read from hidden_size into layers of intra_bottleneck_size: transformers
    # runs this only where the two are equal (or use_bottleneck_attention is set).
    "mobilebert-unshared": ("bert", "MobileBert", MOBILE | dict(
        hidden_size=16, embedding_size=12, key_query_shared_bottleneck=False, trigram_input=False, initializer_range=0.2)),
    # embedding_transformation is in the checkpoint, and unused: equal sizes and no trigrams.
    "mobilebert-plain": ("bert", "MobileBert", MOBILE | dict(
        hidden_size=16, use_bottleneck=False, trigram_input=False, normalization_type="layer_norm", hidden_act="gelu")),
    "deberta": ("deberta", "Deberta", MAIN | RELATIVE | dict(pos_att_type=["c2p", "p2c"])),
    "deberta-c2p": ("deberta", "Deberta", SMALL | dict(
        relative_attention=True, pos_att_type=["c2p"], type_vocab_size=2, embedding_size=12)),
    "deberta-p2c": ("deberta", "Deberta", SMALL | RELATIVE | dict(pos_att_type=["p2c"], max_relative_positions=24)),
    # pos_att_type still divides the scores by the root of 3 d.
    "deberta-absolute": ("deberta", "Deberta", SMALL | dict(relative_attention=False, pos_att_type=["c2p", "p2c"])),
    "deberta-v2": ("deberta-v2", "DebertaV2", MAIN | RELATIVE | dict(
        pos_att_type=["p2c", "c2p"], position_buckets=16, share_att_key=True, norm_rel_ebd="layer_norm")),
    "deberta-v2-conv": ("deberta-v2", "DebertaV2", SMALL | RELATIVE | dict(
        pos_att_type=["p2c", "c2p"], position_buckets=-1, max_relative_positions=24, share_att_key=False,
        norm_rel_ebd="none", conv_kernel_size=3, conv_act="gelu")),
    "deberta-v2-biased": ("deberta-v2", "DebertaV2", SMALL | dict(  # conv_act is tanh by default
        relative_attention=True, pos_att_type=["p2c"], type_vocab_size=2, embedding_size=12, position_buckets=12,
        max_relative_positions=48, share_att_key=False, conv_kernel_size=5, conv_groups=2)),
    "deberta-v2-c2p": ("deberta-v2", "DebertaV2", SMALL | RELATIVE | dict(
        pos_att_type=["c2p"], position_buckets=16, share_att_key=True)),
    "deberta-v2-absolute": ("deberta-v2", "DebertaV2", SMALL | dict(relative_attention=False, pos_att_type=["c2p"])),
    "mpnet": ("mpnet", "MPNet", MAIN | OFFSET | dict(layer_norm_eps=1e-5)),
    # The field only sizes the table: 32 rows are used, and 16 fails in transformers (index out of range).
    # Positions pass over id 1 whatever pad_token_id is; in BERT's vocabulary that is [UNK].
    "mpnet-buckets": ("bert", "MPNet", SMALL | OFFSET | dict(relative_attention_num_buckets=40, layer_norm_eps=1e-3)),
    "modernbert": ("modernbert", "ModernBert", MAIN | dict(num_hidden_layers=4, intermediate_size=28, local_attention=32)),
    "modernbert-bias": ("modernbert", "ModernBert", SMALL | MODERN_BIASES | dict(
        num_hidden_layers=4, local_attention=16, global_attn_every_n_layers=2, global_rope_theta=2000.0,
        local_rope_theta=50.0, hidden_activation="silu", classifier_activation="relu", norm_eps=1e-3)),
    "squeezebert": ("bert", "SqueezeBert", MAIN | dict(embedding_size=24)),
    # layer_norm_eps reaches only the embeddings: the layers keep 1e-12.
    "squeezebert-groups": ("bert", "SqueezeBert", SMALL | dict(
        embedding_size=16, q_groups=1, k_groups=2, v_groups=4, post_attention_groups=2, intermediate_groups=1,
        output_groups=2, layer_norm_eps=0.01)),
    "ernie": ("bert", "Ernie", MAIN),
    "ernie-task": ("bert", "Ernie", SMALL | dict(use_task_id=True, type_vocab_size=4, hidden_act="relu")),
    "megatron-bert": ("bert", "MegatronBert", MAIN | dict(num_hidden_layers=3)),
    "roformer": ("bert", "RoFormer", MAIN),
    "roformer-value": ("bert", "RoFormer", SMALL | dict(rotary_value=True, embedding_size=12, hidden_act="gelu_new")),
    "rembert": ("albert", "RemBert", MAIN | dict(input_embedding_size=16, output_embedding_size=20)),
}


@torch.no_grad()
def make_model(name, prefix, config):
    torch.manual_seed(zlib.crc32(name.encode()))
    config = getattr(transformers, f"{prefix}Config")(**config)
    model = getattr(transformers, f"{prefix}ForQuestionAnswering")(config).eval().float()
    for parameter in model.parameters():  # layer norms and biases must matter too
        if parameter.dim() == 1:
            parameter.add_(torch.randn_like(parameter) * 0.1)
    head = model.classifier if prefix == "ModernBert" else model.qa_outputs
    spread = np.std(logits(model, [list(range(5, 55))], [[0] * 50]))
    head.weight.mul_(1.5 / float(spread))  # so that logits differ by a few units
    return model


def load(folder):
    return transformers.AutoModelForQuestionAnswering.from_pretrained(folder, attn_implementation="eager").eval().float()


def is_fed_types(model):
    return "token_type_ids" in inspect.signature(model.forward).parameters and getattr(model.config, "type_vocab_size", 0) > 1


@torch.no_grad()
def logits(model, ids, types):
    """Start and end logits of sequences of one length."""
    given = {"token_type_ids": torch.tensor(types)} if is_fed_types(model) else {}
    output = model(input_ids=torch.tensor(ids), **given)
    return output.start_logits.float().numpy(), output.end_logits.float().numpy()


def logits_of_all(model, sequences):
    """Start and end logits of sequences of any length, each computed alone, end to end."""
    pairs = [logits(model, [ids], [types]) for ids, types in sequences]
    return [np.concatenate([pair[side][0] for pair in pairs]) for side in (0, 1)]


def write_golden(folder, sequences):
    """golden.safetensors; returns the model, and what expected.json says of its logits."""
    model = load(folder)
    start, end = logits_of_all(model, sequences)
    scale = float(max(np.abs(start).max(), np.abs(end).max()))
    golden = {
        "lengths": torch.tensor([len(ids) for ids, _ in sequences]),
        "input_ids": torch.tensor(sum((ids for ids, _ in sequences), [])),
        "start_logits": torch.from_numpy(start), "end_logits": torch.from_numpy(end),
    }
    if is_fed_types(model):
        golden["token_type_ids"] = torch.tensor(sum((types for _, types in sequences), []))
    half_arithmetic = {}
    for name, dtype in HALVES.items():
        rounded = load(folder)
        rounded.load_state_dict({k: v.to(dtype) for k, v in rounded.state_dict().items()})
        sides = logits_of_all(rounded, sequences)
        golden[f"{name}.start_logits"], golden[f"{name}.end_logits"] = map(torch.from_numpy, sides)
        try:
            half = logits_of_all(load(folder).to(dtype), sequences)
            stray = float(np.abs(np.array(half) - np.array([start, end])).max()) / scale
        except RuntimeError:  # an operation that torch lacks in this type
            stray = math.nan
        half_arithmetic[name] = round(stray, 6) if math.isfinite(stray) else None
    save_file(golden, folder / "golden.safetensors")
    return model, {"logit_scale": scale, "half_arithmetic": half_arithmetic}, float(np.std([start, end]))


def golden_sequences(tokenizer):
    """A lone word, and pairs cut at 7, 64 and 90 tokens, with Japanese and with emoji."""
    text = {id: (question, context) for id, question, context in QUESTIONS}
    windows = [tokenizer("a", return_token_type_ids=True)]
    for pair, length in ((("?", text["a-087"][1]), 7), (text["b-086"], 64), (text["a-087"], 90)):
        windows.append(tokenizer(*pair, truncation="only_second", max_length=length, return_token_type_ids=True))
    return [(window["input_ids"], window["token_type_ids"]) for window in windows]


def answers(model, tokenizer):
    """The windows of run_qa.py and its answers (those of v1.1: the null answer is no candidate)."""
    predictions, differences, margins, windows, n_best = {}, {}, {}, 0, SETTINGS["n_best"]
    for id, question, context in QUESTIONS:
        encoded = tokenizer(
            [question.lstrip()], [context], return_offsets_mapping=True, return_token_type_ids=True, truncation="only_second",
            max_length=SETTINGS["max_seq_len"], stride=SETTINGS["doc_stride"], return_overflowing_tokens=True,
        )
        ids, types, windows = encoded["input_ids"], encoded["token_type_ids"], windows + len(encoded["input_ids"])
        whole, last = logits(model, ids[:-1], types[:-1]), logits(model, ids[-1:], types[-1:])  # all but the last are full
        candidates, null_score = [], math.inf
        for i, (start, end) in enumerate([*zip(*whole), *zip(*last)]):
            offsets = [o if s == 1 else None for o, s in zip(encoded["offset_mapping"][i], encoded.sequence_ids(i))]
            null_score = min(null_score, float(start[0] + end[0]))
            for s in np.argsort(start)[-1 : -n_best - 1 : -1].tolist():
                for e in np.argsort(end)[-1 : -n_best - 1 : -1].tolist():
                    if offsets[s] is None or offsets[e] is None or e < s or e - s + 1 > SETTINGS["max_answer_len"]:
                        continue
                    candidates.append((float(start[s] + end[e]), context[offsets[s][0] : offsets[e][1]]))
        candidates.sort(key=lambda c: -c[0])
        best, predictions[id] = candidates[0]
        differences[id] = round(null_score - best, 6)
        margins[id] = round(best - next(score for score, text in candidates if text != predictions[id]), 6)
    return {"predictions": predictions, "null_score_minus_best": differences, "margin_to_second": margins}, windows


def write_json(path, value, **options):
    path.write_text(json.dumps(value, ensure_ascii=False, **options) + "\n", "utf-8")


def size_of(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def write_checkpoint(name):
    kind, prefix, config = ARCHITECTURES[name]
    folder, (tokenizer, specials) = OUT / name, KINDS[kind]
    names = {f"{role}_token": token for role, token in specials.items()}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=96, **names)
    ids = {role: list(specials).index(role) for role in specials}
    config = dict(vocab_size=len(tokenizer), pad_token_id=ids["pad"], bos_token_id=ids["cls"], eos_token_id=ids["sep"]) | config
    if prefix == "ModernBert":  # the defaults of these lie outside the vocabulary
        config |= dict(cls_token_id=ids["cls"], sep_token_id=ids["sep"])
    make_model(name, prefix, config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(folder / "tokenizer.json", json.loads((folder / "tokenizer.json").read_text("utf-8")), separators=(",", ":"))
    model, figures, deviation = write_golden(folder, golden_sequences(tokenizer))
    decoded, windows = answers(model, tokenizer)
    write_json(folder / "expected.json", {"settings": SETTINGS, **figures, **decoded}, indent=0)
    print(f"{name:22} windows {windows:3}  parameters {model.num_parameters():5}  bytes {size_of(folder):6}"
          f"  logit std {deviation:.2f}  half arithmetic {figures['half_arithmetic']}", flush=True)


class StorageKey(str):
    """Numbers storages as they come: torch's old format names and orders them by their address in memory."""
    seen = {}

    def __new__(cls, address):
        return f"{cls.seen.setdefault(address, len(cls.seen)):04}"


def write_files():
    """One tiny BERT in each form that weights are published in, with one configuration and golden for all."""
    folder = OUT / "files"
    model = make_model("files", "Bert", SMALL | dict(vocab_size=60, num_hidden_layers=1, max_position_embeddings=64))
    model.save_pretrained(folder)
    sequences = [(torch.randint(0, 60, (n,)).tolist(), [int(i >= n // 3) for i in range(n)]) for n in (1, 5, 64)]
    _, figures, deviation = write_golden(folder, sequences)
    write_json(folder / "expected.json", figures, indent=0)
    model.save_pretrained(folder / "safetensors-shards", max_shard_size="7KB")
    (folder / "safetensors-shards/config.json").unlink()
    index = json.load(open(folder / "safetensors-shards/model.safetensors.index.json"))
    for form in ("bin-zip", "bin-legacy", "bin-shards", "bin-f16"):
        (folder / form).mkdir()
    weights = model.state_dict()
    torch.save(weights, folder / "bin-zip/pytorch_model.bin")
    # transformers 4 named the shards so, and wrote this index.
    shard_of = {k: f"pytorch_{v.removesuffix('.safetensors')}.bin" for k, v in index["weight_map"].items()}
    for shard in set(shard_of.values()):
        torch.save({k: v for k, v in weights.items() if shard_of[k] == shard}, folder / "bin-shards" / shard)
    old_index = {"metadata": {"total_size": index["metadata"]["total_size"]}, "weight_map": shard_of}
    write_json(folder / "bin-shards/pytorch_model.bin.index.json", old_index, indent=2, sort_keys=True)
    # Until 4.31 the positions' own numbers, no weights, were in every checkpoint.
    weights["bert.embeddings.position_ids"] = torch.arange(64)[None]
    with open(folder / "bin-legacy/pytorch_model.bin", "wb") as file:
        with unittest.mock.patch.object(torch.serialization, "str", StorageKey, create=True):
            torch.save(weights, file, _use_new_zipfile_serialization=False)
    torch.save(model.half().state_dict(), folder / "bin-f16/pytorch_model.bin")
    print(f"files  shards {len(set(shard_of.values()))}  bytes {size_of(folder)}  logit std {deviation:.2f}  {figures}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    shutil.rmtree(OUT, ignore_errors=True)
    for name in ARCHITECTURES:
        write_checkpoint(name)
    write_files()
    print("bytes in all", size_of(OUT))
