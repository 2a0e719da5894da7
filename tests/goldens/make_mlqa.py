"""Small data of our own in MLQA's seven languages, awkward predictions, and what the official MLQA scorer says of them.

usage: make_mlqa.py PATH/TO/MLQA          writes score/mlqa.json

Wants CPython 3.11, as make_normalize.py does.
"""
import contextlib
import io
import json
import pathlib
import random
import sys
import unicodedata

import official

assert unicodedata.unidata_version == "14.0.0", f"Python 3.11 is wanted: this one knows Unicode {unicodedata.unidata_version}"
HERE = pathlib.Path(__file__).parent
mlqa = official.load_mlqa(sys.argv[1])
LANGUAGES = ["en", "es", "hi", "vi", "de", "ar", "zh"]

# A passage, and gold answers that stand in it: several to a question where the bar divides them.
DATA = {
    "en": ("The old lighthouse at Crane Point was built in 1871 by an engineer, Ada O'Neill-Marsh, of a pale stone called “the widow's slate”. "
           "Its lamp (12½ feet wide) cost $4,300 and burned whale oil until the keepers' strike of 1902.",
           ["1871|in 1871", "Ada O'Neill-Marsh|an engineer, Ada O'Neill-Marsh|Ada", "a pale stone|“the widow's slate”", "12½ feet|12½ feet wide",
            "$4,300", "whale oil|oil", "the keepers' strike of 1902|the keepers' strike", "The old lighthouse|lighthouse"]),
    "es": ("El molino de la señora Quiñones, en las afueras de Valdepinar, molía unos 300 sacos al día; los domingos, una campana llamaba a los niños. "
           "¿Quién lo compró? Un herrero llamado Íñigo «el Zurdo», por 1.250 €.",
           ["El molino|El molino de la señora Quiñones", "la señora Quiñones|Quiñones", "las afueras de Valdepinar|Valdepinar", "unos 300 sacos|300",
            "los domingos|domingos", "una campana", "Un herrero llamado Íñigo|Íñigo «el Zurdo»", "1.250 €|por 1.250 €"]),
    "hi": ("रामपुर गाँव का पुराना कुआँ १८९२ में एक व्यापारी, मोहन दास, ने बनवाया था। उसकी गहराई ४५ फ़ीट है, और गर्मियों में भी पानी ठंडा रहता है। "
           "लोग उसे “मीठा कुआँ” कहते हैं; हर साल मेला (बैसाख में) लगता है।",
           ["१८९२|१८९२ में", "मोहन दास|एक व्यापारी, मोहन दास", "४५ फ़ीट|४५", "“मीठा कुआँ”|मीठा कुआँ", "बैसाख में|बैसाख|(बैसाख में)", "रामपुर गाँव|रामपुर", "ठंडा", "पुराना कुआँ"]),
    "vi": ("Chiếc cầu gỗ của làng Đồng Mây được dựng năm 1934, dài những 48 mét. Cái tên “Cầu Vía” là do ông Lê Bá Thước đặt; "
           "mùa nước nổi, những chiếc thuyền của các lái buôn chở gạo, mắm và vải qua đó.",
           ["Chiếc cầu gỗ|Chiếc cầu gỗ của làng Đồng Mây", "1934|năm 1934", "những 48 mét|48 mét", "“Cầu Vía”|Cầu Vía|Cái tên “Cầu Vía”",
            "ông Lê Bá Thước|Lê Bá Thước", "những chiếc thuyền của các lái buôn|chiếc thuyền", "gạo, mắm và vải|gạo", "mùa nước nổi"]),
    "de": ("Der Müller Jörg Weißgerber ließ 1788 einen Kanal zur Grünen Aue graben. Die Straße daneben heißt seit dem Krieg „Großer Wasserweg“; "
           "das Haus des Müllers, eines der ältesten im Ort, kostete 2.400 Taler - einem Sägewerk, den Erben und der Gemeinde gehört es heute.",
           ["Der Müller Jörg Weißgerber|Jörg Weißgerber", "1788", "einen Kanal|einen Kanal zur Grünen Aue", "„Großer Wasserweg“|Großer Wasserweg",
            "2.400 Taler|2.400", "eines der ältesten im Ort|das Haus des Müllers", "einem Sägewerk, den Erben und der Gemeinde|der Gemeinde", "seit dem Krieg|dem Krieg"]),
    "ar": ("بنى التاجر سليم البحّار السوقَ القديمة في مدينة الزهراء عام ١٨٦٥، وكان فيها ٤٢ دكانًا للعطور والأقمشة. "
           "يقال إن “باب الريح” سُمّي كذلك لأن الهواء يدخل منه صيفًا؛ والمسافرون كانوا يستريحون عند البئر (بئر الحمام).",
           ["سليم البحّار|التاجر سليم البحّار", "السوقَ القديمة|القديمة", "مدينة الزهراء|الزهراء", "عام ١٨٦٥|١٨٦٥", "٤٢ دكانًا|٤٢",
            "“باب الريح”|باب الريح", "البئر|بئر الحمام|البئر (بئر الحمام)", "للعطور والأقمشة|الأقمشة"]),
    "zh": ("青石鎮的老茶館建於1908年,由商人陸文彬出資三百銀元。茶館有24張桌子、兩個戲台,牆上掛著《雨中行》一畫;每年農曆三月初三,附近的River Club會在這裏辦“茶王”比賽(獎品是一把紫砂壺)。",
           ["1908年|1908|建於1908年", "陸文彬|商人陸文彬", "三百銀元", "24張桌子|24張|24張桌子、兩個戲台", "《雨中行》|雨中行", "三月初三|農曆三月初三", "River Club|附近的River Club", "一把紫砂壺|紫砂壺"]),
}
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
SPICE = ["the ", " A", "An ", "El ", " las", "un ", "của ", " LÀ ", "những ", "Der ", " DES", "einem ", "ال", " وال", "।", "。", "،", "؟", "¿", "«", "…", ".", "!?", "$", "€",
         "\u00a0", "\u001c", "\u0085", "\u200b", "\u3000", "²", "\u0301", "\u0327", "İ", "Σ", "ß", "漢", "\u9fa5", "\u9fa6", "_", "x", "٣", "\U0001f35c", "\ue000", "\u1c89"]


def questions(language):
    passage, answers = DATA[language]
    for n, golds in enumerate(answers):
        golds = [{"text": gold, "answer_start": passage.index(gold)} for gold in golds.split("|")]
        yield {"id": f"{language}-{n}", "question": f"{language} {n}?", "answers": golds}


def spoil(rng, text, passage):
    """A gold answer with something done to it, or a piece of the passage."""
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randint(0, len(text))
        text = rng.choice([
            lambda: text[:at] + rng.choice(SPICE) + text[at:], lambda: rng.choice(SPICE) + text, lambda: text + rng.choice(SPICE),
            lambda: text[at:], lambda: text[:at], text.upper, text.swapcase, text.title,
            lambda: text.translate(FULL_WIDTH), lambda: unicodedata.normalize("NFD", text), lambda: text.replace(" ", "  "),
            lambda: " ".join(text), lambda: text + " " + text, lambda: passage[at : at + rng.randint(0, 40)], lambda: "",
        ])()
    return text


def main():
    goldens = []
    for language in LANGUAGES:
        passage, asked, rng = DATA[language][0], list(questions(language)), random.Random(language)
        data = [{"title": language, "paragraphs": [{"context": passage, "qas": asked}]}]
        files = []
        for version in range(5):
            predictions = {q["id"]: spoil(rng, rng.choice(q["answers"])["text"], passage) for q in asked if version == 0 or rng.random() > 0.1}
            if version % 2:
                predictions[f"nobody-{version}"] = passage[:20]
            with contextlib.redirect_stderr(io.StringIO()):
                expected = {code: mlqa.evaluate(data, predictions, code) for code in LANGUAGES}
            files.append({"predictions": predictions, "expected": expected})
        goldens.append({"language": language, "dataset": {"version": "1.0", "data": data}, "files": files})
    with open(HERE / "score" / "mlqa.json", "w", encoding="utf-8") as file:
        json.dump(goldens, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


main()
