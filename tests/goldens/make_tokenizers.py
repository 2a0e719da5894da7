"""Makes the small tokenizer files and the expected encodings of tests/tokenizers.rs.

Run it with transformers 5.23, tokenizers 0.23, sentencepiece and protobuf installed:

    make_tokenizers.py

It writes tokenizers/, from the text of benchmarks/data/mixed-bag.json. Every expectation is computed by transformers:
by AutoTokenizer as it is, or, where its version 5 departs from version 4 and from the published
tokenizer.json files, by the version 4 converter that it still carries. Each case says which.
"""

import itertools
import json
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import sentencepiece
from tokenizers import AddedToken, ByteLevelBPETokenizer, BertWordPieceTokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast, logging
from transformers import convert_slow_tokenizer as convert

HERE = Path(__file__).parent / "tokenizers"
TEXT = Path(__file__).parent / "../../benchmarks/data/mixed-bag.json"
FILES = HERE / "files"

PAIRS = [
    ["Who wrote it?", "Ada Lovelace wrote it in 1843."],
    ["What  was\tthe  price?", "  It cost 1,234.50 €\u00a0— about 9,5 %…\n\nNot   cheap!  "],
    ["¿Dónde está el niño?", "El nin\u0303o está en São Paulo; cafe\u0301, naïve, Zoë, ÅNGSTRÖM."],
    ["東京はどこ?", "東京は日本の首都。서울은 한국의 수도. القاهرة عاصمة مصر"],
    ["Is [SEP] a token?", "It is [SEP], [CLS] , <s>x</s> and [UNK] or <unk> [unk] [sep]."],
    ["And the mask?", "The <mask> or  [MASK] here, <mask>[MASK] <MASK> [mask]"],
    ["🙂?", "👩‍👩‍👧 smiled 🙂🙂 at \ufb01ne ＡＢＣ ① ½ ™ Ⅷ x² ŐĠġ"],
    [" ", "?"],
    ["a", " \u200b zero\u200bwidth \u2003 wide \u3000 ideographic\u3000space \u0001 control\u007f"],
    ["Isn't ``this'' it's", "they'll say ``it's'' don't \"we've\" 'tis O'Neil--who?"],
    ["Antidisestablishmentarianism", "pneumonoultramicroscopic İstanbul ẞß ΣΑΣ ǅ 1843,"],
    ["the new Token?", "the [E1] new Québec québec  [E1]token, preQuébecpost [e1] <extra> "],
]


def read_texts(path):
    data = json.loads(Path(path).read_text(encoding="utf-8"))["data"]
    return [
        text
        for article in data
        for paragraph in article["paragraphs"]
        for text in [paragraph["context"], *(qa["question"] for qa in paragraph["qas"])]
    ]


def make_files(texts):
    shutil.rmtree(FILES, ignore_errors=True)
    FILES.mkdir()

    def wordpiece(name, lowercase, special):
        trained = BertWordPieceTokenizer(lowercase=lowercase)
        trained.train_from_iterator(
            texts, vocab_size=500, min_frequency=2, limit_alphabet=300, special_tokens=special, show_progress=False
        )
        vocabulary = sorted(trained.get_vocab().items(), key=lambda item: item[1])
        (FILES / name).write_text("".join(token + "\n" for token, _ in vocabulary), encoding="utf-8")

    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    wordpiece("uncased.txt", True, bert)
    wordpiece("cased.txt", False, bert)
    wordpiece("mpnet.txt", True, ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"])

    def byte_bpe(name, special):
        trained = ByteLevelBPETokenizer()
        trained.train_from_iterator(
            texts, vocab_size=600, min_frequency=2, special_tokens=special, show_progress=False
        )
        directory = FILES / name
        directory.mkdir()
        trained.save_model(str(directory))

    byte_bpe("roberta", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    byte_bpe("deberta", ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])
    # The merges do not depend on the names of the special tokens.
    assert (FILES / "deberta/merges.txt").read_bytes() == (FILES / "roberta/merges.txt").read_bytes()
    (FILES / "deberta/merges.txt").unlink()

    def unigram(name, rule="identity", **settings):
        with tempfile.TemporaryDirectory() as directory:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts + ["It was 9, then 9, then 5, and 1,000."] * 50),
                model_prefix=f"{directory}/m",
                vocab_size=400,
                model_type="unigram",
                normalization_rule_name=rule,
                hard_vocab_limit=False,
                character_coverage=0.99,
                num_threads=1,
                minloglevel=2,
                **settings,
            )
            shutil.copy(f"{directory}/m.model", FILES / f"{name}.model")

    # One model with the large character map, for XLM-RoBERTa, ALBERT, DeBERTa and RemBERT.
    unigram("nmt", "nmt_nfkc", bos_id=0, unk_id=1, eos_id=2, control_symbols=["[CLS]", "[SEP]"])
    unigram("fairseq")
    unigram(
        "albert",
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols=["[CLS]", "[SEP]"],
        user_defined_symbols=["[MASK]"],
        split_by_number=False,
        split_by_unicode_script=False,
    )
    unigram(
        "rembert", pad_id=0, bos_id=1, unk_id=2, eos_id=3, control_symbols=["[CLS]", "[SEP]", "[MASK]"]
    )


def mask(content):
    """The mask token of version 4's classes: it takes the space before it."""
    return AddedToken(content, lstrip=True, special=True, normalized=False)


def auto(directory):
    return AutoTokenizer.from_pretrained(directory)


def auto_with_mask(content):
    """AutoTokenizer with version 4's mask token."""

    def build(directory):
        tokenizer = auto(directory)
        assert tokenizer.mask_token == content
        tokenizer.add_tokens([mask(content)], special_tokens=True)
        return tokenizer

    return build


def albert(directory):
    """AutoTokenizer with the scores of AlbertConverter, which version 5 only keeps in tokenizer.json."""

    def scores(vocab=None, **rest):
        rest["vocab"] = [(p, s if convert.check_number_comma(p) else s - 100) for p, s in vocab]
        return rest

    before = convert.AlbertConverter.__dict__.get("convert_from_spm")
    convert.AlbertConverter.convert_from_spm = staticmethod(scores)
    try:
        return auto_with_mask("[MASK]")(directory)
    finally:
        assert before is None
        del convert.AlbertConverter.convert_from_spm


def converted(tokenizer, **named):
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def mpnet(directory):
    lines = Path(directory, "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = {token: index for index, token in enumerate(lines)}
    slow = SimpleNamespace(
        vocab=vocabulary,
        unk_token="[UNK]",
        cls_token="<s>",
        sep_token="</s>",
        cls_token_id=vocabulary["<s>"],
        sep_token_id=vocabulary["</s>"],
        basic_tokenizer=SimpleNamespace(tokenize_chinese_chars=True, strip_accents=None, do_lower_case=True),
    )
    plain = {"lstrip": False, "rstrip": False}
    return converted(
        convert.MPNetConverter(slow).converted(),
        bos_token=AddedToken("<s>", **plain),
        eos_token=AddedToken("</s>", **plain),
        unk_token=AddedToken("[UNK]", **plain),
        sep_token=AddedToken("</s>", **plain),
        pad_token=AddedToken("<pad>", **plain),
        cls_token=AddedToken("<s>", **plain),
        mask_token=AddedToken("<mask>", lstrip=True, rstrip=False),
    )


BRACKETED = {
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
}


def deberta(directory):
    vocabulary = json.loads(Path(directory, "vocab.json").read_text(encoding="utf-8"))
    lines = Path(directory, "merges.txt").read_text(encoding="utf-8").split("\n")[1:-1]
    slow = SimpleNamespace(
        encoder=vocabulary,
        bpe_ranks={tuple(line.split()): rank for rank, line in enumerate(lines)},
        add_prefix_space=False,
        convert_tokens_to_ids=vocabulary.get,
    )
    return converted(convert.DebertaConverter(slow).converted(), **BRACKETED, mask_token=mask("[MASK]"))


def spm(converter, name, **named):
    def build(directory):
        config = Path(directory, "tokenizer_config.json")
        config = json.loads(config.read_text()) if config.exists() else {}
        path = str(Path(directory, name))
        pieces = sentencepiece.SentencePieceProcessor(model_file=path)
        slow = SimpleNamespace(
            vocab_file=path,
            do_lower_case=config.get("do_lower_case", False),
            keep_accents=config.get("keep_accents", True),
            split_by_punct=config.get("split_by_punct", False),
            convert_tokens_to_ids=pieces.piece_to_id,
        )
        tokenizer = converted(converter(slow).converted(), **{**BRACKETED, **named})
        # Version 4 adds a named token that is a piece once more, with its own flags; version 5 does not.
        tokenizer.add_tokens([tokenizer._special_tokens_map["mask_token"]], special_tokens=True)
        return tokenizer

    return build


def cases():
    """Name, model_type, file names with files or contents, and how the expectation is made."""
    bert_map = {
        role: {"content": f"[{role[:-6].upper()}]", "lstrip": role == "mask_token", "rstrip": False,
               "single_word": False, "normalized": False}
        for role in ["cls_token", "sep_token", "pad_token", "mask_token", "unk_token"]
    }
    roberta_map = {
        "bos_token": "<s>",
        "cls_token": {"content": "<s>", "lstrip": False, "rstrip": False, "single_word": False, "normalized": True},
        "sep_token": "</s>",
        "mask_token": {"content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False},
        "additional_special_tokens": ["<extra>"],
    }

    def size(name):
        return len((FILES / name).read_text(encoding="utf-8").splitlines())

    def token(content, **flags):
        flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": True, "special": False} | flags
        return {"content": content} | flags

    roberta = {"vocab.json": "roberta/vocab.json", "merges.txt": "roberta/merges.txt"}
    deberta_files = {"vocab.json": "deberta/vocab.json", "merges.txt": "roberta/merges.txt"}
    roberta_size = len(json.loads((FILES / "roberta/vocab.json").read_text(encoding="utf-8")))
    nmt = sentencepiece.SentencePieceProcessor(model_file=str(FILES / "nmt.model")).get_piece_size()

    angled_mask = auto_with_mask("<mask>")
    rembert = spm(
        convert.RemBertConverter, "sentencepiece.model", unk_token="<unk>", pad_token="<pad>", mask_token=mask("[MASK]")
    )
    named = {**BRACKETED, "unk_token": "<unk>", "mask_token": "[MASK]"}
    yield "bert, no settings", "bert", {"vocab.txt": "uncased.txt"}, "auto", auto
    yield "bert, cased", "bert", {
        "vocab.txt": "cased.txt",
        "tokenizer_config.json": {"do_lower_case": False, "tokenizer_class": "BertTokenizer"},
        "special_tokens_map.json": bert_map,
    }, "auto", auto
    yield "electra, accents kept", "electra", {
        "vocab.txt": "uncased.txt",
        "tokenizer_config.json": {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False},
    }, "auto", auto
    yield "mobilebert, cased without accents", "mobilebert", {
        "vocab.txt": "cased.txt",
        "tokenizer_config.json": {"do_lower_case": False, "strip_accents": True, "split_special_tokens": True},
    }, "auto", auto
    yield "distilbert, added_tokens.json", "distilbert", {
        "vocab.txt": "uncased.txt",
        "tokenizer_config.json": {"do_lower_case": True, "pad_token": "[PAD]", "additional_special_tokens": ["[E1]"]},
        "special_tokens_map.json": {"unk_token": "[UNK]"},
        "added_tokens.json": {"Québec": size("uncased.txt") + 1, "[E1]": size("uncased.txt")},
    }, "auto", auto
    yield "squeezebert, added_tokens_decoder", "squeezebert", {
        "vocab.txt": "uncased.txt",
        "tokenizer_config.json": {
            "added_tokens_decoder": {
                "0": token("[PAD]", normalized=False, special=True),
                "1": token("[UNK]", normalized=True, special=True),
                "2": token("[CLS]", normalized=False, special=True),
                str(size("uncased.txt")): token("Québec", single_word=True),
                str(size("uncased.txt") + 1): token("[E1]", lstrip=True, rstrip=True, normalized=False),
            },
            "extra_special_tokens": ["<extra>"],
        },
        "special_tokens_map.json": {"sep_token": "[PAD]"},
    }, "auto", auto
    yield "mpnet", "mpnet", {"vocab.txt": "mpnet.txt"}, "MPNetConverter", mpnet
    yield "roberta, no settings", "roberta", roberta, "auto, version 4's mask token", angled_mask
    yield "roberta, prefix space and added tokens", "roberta", roberta | {
        "tokenizer_config.json": {"add_prefix_space": True, "errors": "replace"},
        "special_tokens_map.json": roberta_map,
        "added_tokens.json": {"[E1]": roberta_size, "<extra>": roberta_size + 1},
    }, "auto", auto
    yield "roberta, untrimmed", "roberta", roberta | {
        "tokenizer_config.json": {"trim_offsets": False, "mask_token": {"__type": "AddedToken", "content": "<mask>",
            "lstrip": True, "rstrip": False, "single_word": False, "normalized": True}},
    }, "auto", auto
    yield "deberta", "deberta", deberta_files, "DebertaConverter", deberta
    yield "xlm-roberta, character map", "xlm-roberta", {
        "sentencepiece.bpe.model": "nmt.model",
    }, "auto, version 4's mask token", angled_mask
    yield "bert, class of xlm-roberta, no character map", "bert", {
        "sentencepiece.bpe.model": "fairseq.model",
        "config.json": {"model_type": "bert", "tokenizer_class": "XLMRobertaTokenizer"},
        "tokenizer_config.json": {"extra_special_tokens": ["<extra>"]},
        "special_tokens_map.json": {"mask_token": roberta_map["mask_token"], "eos_token": "</s>"},
    }, "auto", auto
    yield "camembert", "camembert", {"sentencepiece.bpe.model": "fairseq.model"}, "auto", auto
    yield "albert, character map", "albert", {
        "spiece.model": "nmt.model",
    }, "auto, scores of AlbertConverter, version 4's mask token", albert
    yield "albert, no character map, digits and comma", "albert", {
        "spiece.model": "albert.model",
        "tokenizer_config.json": {"do_lower_case": False, "keep_accents": True},
    }, "auto, scores of AlbertConverter, version 4's mask token", albert
    yield "deberta-v2", "deberta-v2", {
        "spm.model": "nmt.model",
        "tokenizer_config.json": {"do_lower_case": False, "vocab_type": "spm", "unk_token": "<unk>"},
        "special_tokens_map.json": named,
        "added_tokens.json": {"[MASK]": nmt + 1, "[PAD]": nmt},
    }, "DebertaV2Converter", spm(convert.DebertaV2Converter, "spm.model", unk_token="<unk>", mask_token="[MASK]")
    yield "deberta-v2, lower case, split at punctuation", "deberta-v2", {
        "spm.model": "nmt.model",
        "tokenizer_config.json": {"do_lower_case": True, "split_by_punct": True, "unk_token": "<unk>"},
    }, "DebertaV2Converter", spm(convert.DebertaV2Converter, "spm.model", unk_token="<unk>", mask_token="[MASK]")
    yield "rembert", "rembert", {"sentencepiece.model": "rembert.model"}, "RemBertConverter", rembert
    yield "rembert, lower case without accents", "rembert", {
        "sentencepiece.model": "nmt.model",
        "tokenizer_config.json": {"do_lower_case": True, "keep_accents": False},
    }, "RemBertConverter", rembert


def encode(tokenizer, pair):
    encoding = tokenizer._tokenizer.encode(*pair)
    return {
        "ids": encoding.ids,
        "types": " ".join(f"{len(list(run))}*{kind}" for kind, run in itertools.groupby(encoding.type_ids)),
        "offsets": " ".join(f"{start}-{end}" for start, end in encoding.offsets),
    }


def main():
    logging.set_verbosity_error()
    make_files(read_texts(TEXT))
    result = []
    for name, model_type, files, source, build in cases():
        with tempfile.TemporaryDirectory() as directory:
            files = {"config.json": {"model_type": model_type}} | files
            for file_name, content in files.items():
                target = Path(directory, file_name)
                if isinstance(content, str):
                    shutil.copy(FILES / content, target)
                else:
                    target.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            tokenizer = build(directory)
            expected = [encode(tokenizer, pair) for pair in PAIRS]
            try:
                plain = [encode(auto(directory), pair) for pair in PAIRS]
                differ = [i for i, (a, b) in enumerate(zip(expected, plain)) if a != b]
                ids_differ = [i for i, (a, b) in enumerate(zip(expected, plain)) if a["ids"] != b["ids"]]
                print(f"{name}: plain AutoTokenizer differs in pairs {differ}, in ids in {ids_differ}")
            except Exception as error:
                print(f"{name}: plain AutoTokenizer fails: {error!r}")
            result.append(
                {"name": name, "model_type": model_type, "source": source, "files": files, "expected": expected}
            )
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in result)
    pairs = json.dumps(PAIRS, ensure_ascii=True)
    (HERE / "cases.json").write_text(f'{{"pairs":{pairs},\n"cases":[\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
