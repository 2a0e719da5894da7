//! The check of a SentencePiece character map, which the library follows without looking.

use std::collections::HashSet;

/// Checks that every lookup in a precompiled character map stays within it.
///
/// The map is a length in bytes, a trie of that length (a double array of 32-bit units) and the
/// replacement texts, each with a zero byte after it. A unit holds its label in the lowest
/// byte, in bit 8 whether a replacement ends there, and in the upper bits how far its children
/// are; they lie in one block of 256 units. The library indexes both parts unchecked.
pub(in crate::tokenizer) fn check(map: &[u8]) -> Result<(), String> {
    let (length, rest) = map.split_first_chunk::<4>().ok_or("it is cut off")?;
    let length = u32::from_le_bytes(*length) as usize;
    let (trie, texts) = rest
        .split_at_checked(length)
        .filter(|_| length.is_multiple_of(4) && length > 0)
        .ok_or("the length of its trie is wrong")?;
    let texts = str::from_utf8(texts).map_err(|_| "its replacements are not UTF-8")?;
    let units: Vec<usize> = trie
        .chunks_exact(4)
        .map(|unit| u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]]) as usize)
        .collect();

    let mut seen = HashSet::from([0]);
    let mut open = vec![0];
    while let Some(node) = open.pop() {
        let unit = units[node];
        let block = node ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6));
        if block | 0xff >= units.len() {
            return Err("its trie leads out of itself".to_owned());
        }
        // The root is not asked for a replacement: no text is that of no characters.
        if node != 0 && (unit >> 8) & 1 == 1 {
            let text = units[block] & ((1 << 31) - 1);
            if !texts.is_char_boundary(text) {
                return Err("its trie leads out of the replacements".to_owned());
            }
        }
        for label in 1..=0xff {
            let child = block ^ label;
            if units[child] & ((1 << 31) | 0xff) == label && seen.insert(child) {
                open.push(child);
            }
        }
    }
    Ok(())
}
