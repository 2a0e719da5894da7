"""What Python makes of every code point, and the official normalisers of 131,072 generated strings.

usage: make_normalize.py PATH/TO/evaluate PATH/TO/MLQA              writes normalize/
       make_normalize.py PATH/TO/evaluate PATH/TO/MLQA BLOCK        prints a block's strings and their normal forms

Wants CPython 3.11: the Unicode version of the interpreter is part of the result.
"""
import hashlib
import itertools
import json
import pathlib
import sys
import unicodedata

import official

assert unicodedata.unidata_version == "14.0.0", f"Python 3.11 is wanted: this one knows Unicode {unicodedata.unidata_version}"
HERE = pathlib.Path(__file__).parent / "normalize"
BLOCKS, BLOCK = 1024, 128
LANGUAGES = ["en", "es", "hi", "vi", "de", "ar", "zh"]

# What strings are put together from. tests/normalize.rs reads these lists from the fixture.
ARTICLES = (
    "a A an An AN the The THE tHe un una UNA unos unas Unas el El la LA los las LAS của Của CỦA là LÀ cái CÁI chiếc Chiếc "
    "những NHỮNG la\u0300 cu\u0309a ein Ein eine EINE einen einem eines einer der Der DER die das den dem des DES ال وال الكتاب "
    "سال^ العالم ا ل thé lá de\u0301s an\u0301 _the a_ the² 2a ａ THΕ"
).split()
WORDS = (
    "Σ ΑΣ ΟΔΟΣ Σας ΣΣ Σ. AΣ\u0301 AΣ\u0301B ʰΣ Σʰ ·Σ· İ İSTANBUL ı I i\u0307 ß ẞ Straße STRASSE Ⅷ ⅷ Ⓐ ² x² ½ ٣ ४ 五 Dž ﬁ Ａ Ｚ９ K Å "
    "ϴ Ω Ԁ Ꭰ ꭰ Ა 𐐀 𝔘 🍕 👩‍🔬 漢字 北京,上海 一龥 भारत दिल्ली की القاهرة مُحَمَّد Việt Nam Hà Nội don't U.S.A. 3,14 1914–1918"
).split(" ")
SPACES = list(" \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2003\u200a\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff") + ["  "]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡¿§¶·«»‐–—‘’“”„…‰※‿⁀⟨⟩、。《》「」〜・！，．：；？＿｡･،؛؟٪٫٬۔।॥՝־׳჻።᠁᭚꙳꧁﴾︰﹏𐄀𒑰𞥞´¨¸˙©®°±×÷€∑")
MARKS = list("\u0300\u0301\u0303\u0307\u0309\u0323\u0345\u0483\u05b0\u064b\u0651\u0670\u093c\u093e\u094d\u0e31\u20dd\u20e3\u3099\ufe0f\U0001d165\U000e0100")
EDGES = list("\u3400\u4dbf\u4dc0\u4dff\u4e00\u4e01\u9fa4\u9fa5\u9fa6\u9fff\ua000\uf900\ufa2d\u3005\u3007\u3042\u30a2\u30fc\uac00\U00020000\U0002a6df\U0002f800")
# Assigned since Unicode 14.0, private, never assigned.
LATER = list("\u0897\u0cf3\u0ece\u1c89\u1c8a\ua7cb\ua7cc\ua7da\ua7dc\U0001058a\U00010d50\U00010d70\U00010efd\U00011240\U00011f02\U00011f43\U00016d40\U00016ea0\U0001e4d0\U0001e4ec\U0001e5ff\U00031350\U000323af\u0378\uffff\ufdd0\ue000\uf8ff\U000f0000\U0010fffd\U0010ffff")
LISTS = [ARTICLES, WORDS, SPACES, PUNCTUATION, MARKS, EDGES, LATER]

MASK = (1 << 64) - 1


class SplitMix64:
    """Vigna's splitmix64, as in tests/normalize.rs."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % bound


def code_point(rng, start, count):
    code = start + rng.below(count)
    return chr(code - 0x2000 if 0xD800 <= code < 0xE000 else code)


def piece(rng):
    """Twelve kinds: three times an article, one of the other lists, or a random code point."""
    kind = rng.below(12)
    if kind < 9:
        choice = LISTS[max(kind - 2, 0)]
        return choice[rng.below(len(choice))]
    if kind == 9:
        return code_point(rng, 0, 0x3000)
    if kind == 10:
        return code_point(rng, 0, 0x20000)
    return code_point(rng, rng.below(17) << 16, 0x10000)


def generate(block):
    rng = SplitMix64(block)
    for _ in range(BLOCK):
        text = ""
        for _ in range(rng.below(12)):
            text += piece(rng) + ("", " ")[rng.below(2)]
        yield text


def boundaries(holds):
    """Where a predicate changes over all code points: the first that holds, then distances. Surrogates go with what precedes them."""
    found, last, inside = [], 0, False
    for code in itertools.chain(range(0xD800), range(0xE000, 0x110000)):
        if holds(chr(code)) != inside:
            found.append(code - last)
            last, inside = code, not inside
    return found


# A capital sigma beside a character, which ? stands for.
CONTEXTS = ["AΣ?", "AΣ?B", "?Σ", "A?Σ"]


def final_sigma(context, character):
    """Whether lower() makes that sigma a final one."""
    lowered = context.replace("?", character).lower()
    return lowered[1 if context.startswith("AΣ") else -1] == "ς"


def main():
    squad, mlqa = official.load(sys.argv[1], "squad_v2"), official.load_mlqa(sys.argv[2])
    assert mlqa.PUNCT > set("!$_`|~‿")
    normalisers = [squad.normalize_answer] + [lambda text, l=language: mlqa.normalize_answer(text, l) for language in LANGUAGES]
    if len(sys.argv) > 3:
        for text in generate(int(sys.argv[3])):
            print(json.dumps([text] + [normalise(text) for normalise in normalisers]))
        return
    hashes = bytearray()
    for block in range(BLOCKS):
        texts = list(generate(block))
        for normalise in normalisers:
            joined = "".join(normalise(text) + "\n" for text in texts)
            hashes += hashlib.sha256(joined.encode()).digest()[:4]
    (HERE / "blocks.sha256").write_bytes(hashes)
    pairs = (chr(code) + chr(code).lower() for code in range(0x110000) if chr(code).lower() != chr(code))
    lists = dict(zip(("articles", "words", "spaces", "punctuation", "marks", "edges", "later"), LISTS))
    value = {
        "unicode": unicodedata.unidata_version,
        "alphanumeric": boundaries(str.isalnum),
        "space": boundaries(str.isspace),
        "punctuation": boundaries(lambda c: unicodedata.category(c)[0] == "P"),
        "final_sigma": {context: boundaries(lambda c: final_sigma(context, c)) for context in CONTEXTS},
        "lower": " ".join(pairs),
        "lists": lists,
    }
    (HERE / "code_points.json").write_text(json.dumps(value, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
