//! Python's semantics and the official normalisers, against what Python and
//! the scripts say (`tests/goldens/normalize`): over every code point, and on
//! 131,072 strings that the generator below and the one in make_normalize.py
//! both make.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use spanbench::python;
use spanbench::score::Protocol;
use spanbench::score::mlqa::Language;
use support::{json, project};

const BLOCKS: usize = 1024;
const BLOCK: usize = 128;
/// Bytes kept of each SHA-256.
const HASH: usize = 4;

/// `code_points.json`.
#[derive(Deserialize)]
struct CodePoints {
    unicode: String,
    alphanumeric: Vec<u32>,
    space: Vec<u32>,
    punctuation: Vec<u32>,
    final_sigma: BTreeMap<String, Vec<u32>>,
    lower: String,
    lists: Lists,
}

/// What the strings are put together from.
#[derive(Deserialize)]
struct Lists {
    articles: Vec<String>,
    words: Vec<String>,
    spaces: Vec<String>,
    punctuation: Vec<String>,
    marks: Vec<String>,
    edges: Vec<String>,
    later: Vec<String>,
}

fn golden(name: &str) -> PathBuf {
    project("tests/goldens/normalize").join(name)
}

/// Compares a predicate with the code points where Python's changes: the
/// first that holds, then distances from one change to the next.
fn assert_predicate(name: &str, changes: &[u32], holds: impl Fn(char) -> bool) {
    assert!(!changes.is_empty());
    let mut changes = changes.iter();
    let mut next = changes.next().copied();
    let mut expected = false;
    let mut wrong = Vec::new();
    for character in '\0'..=char::MAX {
        if next == Some(u32::from(character)) {
            expected = !expected;
            next = changes.next().map(|more| u32::from(character) + more);
        }
        if holds(character) != expected {
            wrong.push(format!("U+{:04X}", u32::from(character)));
        }
    }
    assert_eq!(next, None, "{name}: the fixture goes on");
    let first = &wrong[..wrong.len().min(40)];
    assert!(wrong.is_empty(), "{name}: {}: {first:?}", wrong.len());
}

#[test]
fn every_code_point_is_what_python_takes_it_for() {
    let golden: CodePoints = json(&golden("code_points.json"));
    assert_eq!(golden.unicode, "14.0.0");
    let is_alphanumeric = |character| character != '_' && python::is_word(character);
    assert_predicate("isalnum", &golden.alphanumeric, is_alphanumeric);
    assert_predicate("isspace", &golden.space, python::is_space);
    assert_predicate("category P", &golden.punctuation, python::is_punctuation);
    assert!(python::is_word('_'));
}

#[test]
fn every_code_point_is_lowered_as_python_does() {
    let golden: CodePoints = json(&golden("code_points.json"));
    let pairs = golden.lower.split(' ').map(|pair| {
        let mut characters = pair.chars();
        (characters.next().unwrap(), characters.as_str())
    });
    let lowered: BTreeMap<char, &str> = pairs.collect();
    assert_eq!(lowered.len(), 1433);
    for character in '\0'..=char::MAX {
        let text = character.to_string();
        let expected = lowered.get(&character).copied().unwrap_or(&text);
        assert_eq!(python::lower(&text), expected, "{text:?}");
    }
    assert_eq!(golden.final_sigma.len(), 4);
    for (context, changes) in &golden.final_sigma {
        let (before, after) = context.split_once('?').unwrap();
        assert_predicate(context, changes, |character| {
            let lowered =
                python::lower(&[before, character.encode_utf8(&mut [0; 4]), after].concat());
            if before == "AΣ" {
                lowered.starts_with("aς")
            } else {
                lowered.ends_with('ς')
            }
        });
    }
}

/// Vigna's splitmix64.
struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn code_point(&mut self, start: usize, count: usize) -> char {
        let code = u32::try_from(start + self.below(count)).unwrap();
        char::from_u32(code).unwrap_or_else(|| char::from_u32(code - 0x2000).unwrap())
    }
}

/// The generator of make_normalize.py, line by line.
fn generate(lists: &Lists, block: u64) -> Vec<String> {
    let lists = [
        &lists.articles,
        &lists.words,
        &lists.spaces,
        &lists.punctuation,
        &lists.marks,
        &lists.edges,
        &lists.later,
    ];
    let mut random = SplitMix64(block);
    let mut texts = Vec::with_capacity(BLOCK);
    for _ in 0..BLOCK {
        let mut text = String::new();
        for _ in 0..random.below(12) {
            match random.below(12) {
                kind @ 0..9 => {
                    let choice = lists[kind.saturating_sub(2)];
                    text.push_str(&choice[random.below(choice.len())]);
                }
                9 => text.push(random.code_point(0, 0x3000)),
                10 => text.push(random.code_point(0, 0x20000)),
                _ => {
                    let plane = random.below(17) << 16;
                    text.push(random.code_point(plane, 0x10000));
                }
            }
            text.push_str(["", " "][random.below(2)]);
        }
        texts.push(text);
    }
    texts
}

#[test]
fn generated_strings_are_normalised_as_by_the_scripts() {
    let lists = json::<CodePoints>(&golden("code_points.json")).lists;
    let hashes = std::fs::read(golden("blocks.sha256")).unwrap();
    let languages = Language::ALL.map(Protocol::Mlqa);
    let protocols: Vec<_> = [Protocol::SquadV1].into_iter().chain(languages).collect();
    assert_eq!(hashes.len(), BLOCKS * protocols.len() * HASH);
    let blocks = hashes.par_chunks_exact(protocols.len() * HASH).enumerate();
    blocks.for_each(|(block, hashes)| {
        let texts = generate(&lists, block as u64);
        for (protocol, expected) in protocols.iter().zip(hashes.chunks_exact(HASH)) {
            let lines = texts.iter().map(|text| protocol.normalize(text) + "\n");
            let lines: String = lines.collect();
            assert!(
                Sha256::digest(lines.as_bytes()).starts_with(expected),
                "block {block} differs under {protocol}; its strings, each with what it became here \
                 (make_normalize.py EVALUATE MLQA {block} prints what the scripts make of them):\n{}",
                report(&texts, &lines)
            );
        }
    });
}

fn report(texts: &[String], lines: &str) -> String {
    let pairs = texts.iter().zip(lines.lines());
    pairs
        .map(|(text, line)| format!("{} -> {}\n", text.escape_default(), line.escape_default()))
        .collect()
}
