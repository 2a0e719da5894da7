//! Names of models that are their own in a leaderboard.

use sha2::{Digest, Sha256};

use crate::hash::hex;
use crate::record::Record;

/// What makes a model another one beside its id, each as it is put behind the id.
const TRAITS: [fn(&Record) -> String; 9] = [
    |r| r.model().dtype.clone(),
    |r| format!("computed in {}", r.model().compute_dtype),
    |r| format!("{} ops", r.model().ops),
    |r| r.protocol().decode.clone(),
    |r| format!("max_seq_len {}", r.protocol().max_seq_len),
    |r| format!("doc_stride {}", r.protocol().doc_stride),
    |r| format!("max_answer_len {}", r.protocol().max_answer_len),
    |r| {
        let n_best = r.protocol().n_best;
        n_best.map_or("all spans".to_owned(), |n| format!("n_best {n}"))
    },
    |r| format!("files {}", &digest(r)[..8]),
];

/// A name for the model of each record: its id, and behind it in brackets each trait that is not
/// the same in all records of that id. Records of equal names are of equal models.
pub(super) fn names(records: &[&Record]) -> Vec<String> {
    let traits: Vec<Vec<String>> = records
        .iter()
        .map(|record| TRAITS.iter().map(|of| of(record)).collect())
        .collect();
    let name = |(index, record): (usize, &&Record)| {
        let namesakes = records.iter().zip(&traits);
        let namesakes: Vec<&Vec<String>> = namesakes
            .filter(|(other, _)| other.model().id == record.model().id)
            .map(|(_, traits)| traits)
            .collect();
        let own = traits[index].iter().enumerate();
        let telling: Vec<&str> = own
            .filter(|(place, text)| namesakes.iter().any(|other| other[*place] != **text))
            .map(|(_, text)| text.as_str())
            .collect();
        if telling.is_empty() {
            record.model().id.clone()
        } else {
            format!("{} ({})", record.model().id, telling.join(", "))
        }
    };
    records.iter().enumerate().map(name).collect()
}

/// One hash for the model's files, whatever their order.
fn digest(record: &Record) -> String {
    let files = record.model().files.iter();
    let mut hashes: Vec<&str> = files.map(|file| file.sha256.as_str()).collect();
    hashes.sort_unstable();
    hex(&Sha256::digest(hashes.join("\n")))
}
