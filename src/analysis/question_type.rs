//! What a question asks for, by its question word.

use unicode_general_category::{GeneralCategory as Category, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// The types, in the order of reports; `other` holds what has no question word of the list.
const TYPES: [&str; 7] = ["who", "what", "when", "where", "why", "how", "which"];

/// The type where no question word of the language is found.
const OTHER: &str = "other";

/// The question words of a language, one list for each of [`TYPES`].
struct QuestionWords {
    /// Words, or several words in a row.
    anywhere: [&'static [&'static str]; 7],
    /// Words that ask at the beginning only and are others elsewhere.
    at_start: [&'static [&'static str]; 7],
    /// Whether words are written without spaces between them.
    unspaced: bool,
}

const NONE: [&[&str]; 7] = [&[]; 7];

const ENGLISH: QuestionWords = QuestionWords {
    anywhere: [
        &["who", "whom", "whose"],
        &["what"],
        &["when"],
        &["where"],
        &["why"],
        &["how"],
        &["which"],
    ],
    at_start: NONE,
    unspaced: false,
};

/// Without an accent the same words are conjunctions, but for slips at the beginning.
const SPANISH: QuestionWords = QuestionWords {
    anywhere: [
        &["quién", "quiénes"],
        &["qué"],
        &["cuándo"],
        &["dónde", "adónde"],
        &["por qué"],
        &["cómo", "cuán", "cuánto", "cuánta", "cuántos", "cuántas"],
        &["cuál", "cuáles"],
    ],
    at_start: [&["quien"], &["que"], &[], &[], &[], &[], &["cual"]],
    unspaced: false,
};

const GERMAN: QuestionWords = QuestionWords {
    anywhere: [
        &["wer", "wen", "wem", "wessen"],
        &[
            "was", "wodurch", "wofür", "womit", "wonach", "woran", "worauf", "woraus", "worin",
            "worum", "worüber", "wovon", "wozu",
        ],
        &["wann"],
        &["wo", "woher", "wohin"],
        &["warum", "wieso", "weshalb", "weswegen"],
        &["wie", "wieviel", "wieviele"],
        &["welche", "welcher", "welches", "welchen", "welchem"],
    ],
    at_start: NONE,
    unspaced: false,
};

const VIETNAMESE: QuestionWords = QuestionWords {
    anywhere: [
        &["ai"],
        &["gì"],
        &["khi nào", "bao giờ", "lúc nào"],
        &["đâu", "nơi nào", "chỗ nào"],
        &["sao", "tại sao", "vì sao"],
        &[
            "thế nào",
            "như thế nào",
            "làm sao",
            "ra sao",
            "bao nhiêu",
            "bao lâu",
            "bao xa",
            "mấy",
        ],
        &["nào"],
    ],
    at_start: NONE,
    unspaced: false,
};

const CHINESE: QuestionWords = QuestionWords {
    anywhere: [
        &["谁", "誰"],
        &["什么", "什麼", "甚麼", "何", "啥"],
        &["什么时候", "什麼時候", "何时", "何時", "几时", "幾時"],
        &[
            "哪里",
            "哪裡",
            "哪裏",
            "哪儿",
            "哪兒",
            "何处",
            "何處",
            "何地",
            "什么地方",
            "什麼地方",
        ],
        &["为什么", "為什麼", "为何", "為何"],
        &[
            "怎么", "怎麼", "怎样", "怎樣", "如何", "多少", "多大", "多久", "多长", "多長", "多高",
            "多远", "多遠", "几个", "幾個", "几次", "幾次", "几年", "幾年", "几位", "幾位", "几种",
            "幾種", "几名", "幾名", "几支", "幾支", "几天", "幾天", "几场", "幾場", "第几", "第幾",
            "有多", "多么", "多麼",
        ],
        &["哪"],
    ],
    at_start: NONE,
    unspaced: true,
};

/// The words of two letters are prepositions and relatives where they do not begin the question.
const ARABIC: QuestionWords = QuestionWords {
    anywhere: [
        &[
            "من الذي",
            "من التي",
            "من الذين",
            "من هو",
            "من هي",
            "من هم",
            "مع من",
        ],
        &[
            "ماذا",
            "بماذا",
            "فماذا",
            "ما هو",
            "ما هي",
            "ما الذي",
            "ما التي",
            "مالذي",
        ],
        &["متى"],
        &["أين", "اين"],
        &["لماذا"],
        &["كيف", "كم", "بكم"],
        &["أي", "أية", "اي", "اية"],
    ],
    at_start: [
        &["من", "لمن", "بمن"],
        &["ما", "بما", "بم", "مم", "مما", "فيم"],
        &[],
        &[],
        &["لم"],
        &[],
        &[],
    ],
    unspaced: false,
};

const HINDI: QuestionWords = QuestionWords {
    anywhere: [
        &[
            "कौन",
            "किसने",
            "किसे",
            "किसको",
            "किसका",
            "किसकी",
            "किसके",
            "किनका",
            "किनकी",
            "किनके",
            "किससे",
            "किन्होंने",
        ],
        &["क्या"],
        &["कब"],
        &["कहाँ", "कहां", "किधर"],
        &["क्यों", "किसलिए"],
        &["कैसे", "कैसा", "कैसी", "कितना", "कितने", "कितनी"],
        &[
            "किस",
            "किन",
            "कौनसा",
            "कौनसी",
            "कौनसे",
            "कौन सा",
            "कौन सी",
            "कौन से",
        ],
    ],
    at_start: NONE,
    unspaced: false,
};

fn words_of(language: Option<&str>) -> Option<&'static QuestionWords> {
    let Some(tag) = language else {
        return Some(&ENGLISH);
    };
    let primary = tag.split(['-', '_']).next().unwrap_or(tag);
    Some(match primary.to_ascii_lowercase().as_str() {
        "en" => &ENGLISH,
        "es" => &SPANISH,
        "de" => &GERMAN,
        "vi" => &VIETNAMESE,
        "zh" => &CHINESE,
        "ar" => &ARABIC,
        "hi" => &HINDI,
        _ => return None,
    })
}

/// The type of `question`: that of its first question word, the longest where
/// several begin at one place; `other` where there is none, or no list for the language.
///
/// The place of the word does not matter: "In what year" is `what`, as is
/// "The trend is toward what?". Words of a clause that comes first count too:
/// "When it ended, who won?" is `when`.
pub(crate) fn question_type(question: &str, language: Option<&str>) -> &'static str {
    let Some(words) = words_of(language) else {
        return OTHER;
    };
    let text = spaced_words(question);
    let mut first: Option<(usize, std::cmp::Reverse<usize>, &str)> = None;
    for (number, name) in TYPES.iter().enumerate() {
        let anywhere = words.anywhere[number].iter().map(|word| (word, false));
        let at_start = words.at_start[number].iter().map(|word| (word, true));
        for (word, start_only) in anywhere.chain(at_start) {
            let found = if words.unspaced {
                text.find(word)
            } else {
                text.find(&format!(" {word} "))
            };
            let Some(at) = found.filter(|&at| at == 0 || !start_only) else {
                continue;
            };
            let candidate = (at, std::cmp::Reverse(word.len()), *name);
            if first.is_none_or(|first| candidate < first) {
                first = Some(candidate);
            }
        }
    }
    first.map_or(OTHER, |(_, _, name)| name)
}

/// The words of `text` in lower case, each with a space before and after it;
/// marks belong to words, but Arabic vowel points and invisible characters are dropped.
fn spaced_words(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + 2);
    spaced.push(' ');
    for character in text.nfc().flat_map(char::to_lowercase) {
        let category = get_general_category(character);
        if category == Category::Format || ('\u{64b}'..='\u{652}').contains(&character) {
            continue;
        }
        let is_mark = matches!(
            category,
            Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark
        );
        if is_mark || character.is_alphanumeric() {
            spaced.push(character);
        } else if !spaced.ends_with(' ') {
            spaced.push(' ');
        }
    }
    if !spaced.ends_with(' ') {
        spaced.push(' ');
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_the_type_of_their_first_question_word() {
        for (question, expected) in [
            ("In what year did it end?", "what"),
            (
                "Since 2005, what is the gender of Doctor Who's companion?",
                "what",
            ),
            ("\"Who's\" there, and why?", "who"),
            ("WHOSE book is it", "who"),
            ("The modern trend is toward integration of what?", "what"),
            ("Somewhat nowhere", "other"),
            ("Name the capital.", "other"),
            ("By which road, and how?", "which"),
            ("", "other"),
        ] {
            assert_eq!(question_type(question, None), expected, "{question}");
            assert_eq!(
                question_type(question, Some("en-GB")),
                expected,
                "{question}"
            );
        }
    }

    #[test]
    fn other_languages_have_lists_of_their_own() {
        for (language, question, expected) in [
            ("es", "¿Por qué dijo que sí?", "why"),
            ("es", "¿En que año y por donde? ¿Cuál?", "which"),
            ("de", "In welchem Jahr war was?", "which"),
            ("de", "Worüber sprach er?", "what"),
            ("vi", "Họ đã ở đâu?", "where"),
            ("vi", "Điều này xảy ra như thế nào?", "how"),
            ("vi", "Năm nào?", "which"),
            ("vi", "Tại sao?", "why"),
            ("zh-CN", "为什么塔纳克林松支持英国的行动？", "why"),
            ("zh", "该法令是何时宣布的?", "when"),
            ("zh", "1915 年该奖项有多少份潜在标书？", "how"),
            ("zh", "在哪个世纪?", "which"),
            ("ar", "من غنى النشيد الوطني؟", "who"),
            ("ar", "\u{200f}مَا هي الأشياء؟", "what"),
            ("ar", "في أي قرن من القرون", "which"),
            ("ar", "قبل مانينغ، من هو أسن ظهير؟", "who"),
            ("es", "¿Que destruyó las reliquias?", "what"),
            ("es", "Diga el nombre que se añadió", "other"),
            ("zh", "带领了几支不同的球队？", "how"),
            ("hi", "लूथर के भजन लिखने का क्या कारण था?", "what"),
            ("hi", "संख्याएं कौन-सी है", "which"),
            ("hi", "राष्ट्रगान किसने गाया?", "who"),
            ("fr", "Qui est là?", "other"),
        ] {
            assert_eq!(
                question_type(question, Some(language)),
                expected,
                "{question}"
            );
        }
    }
}
