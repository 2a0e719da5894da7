//! Names of cells for drawings.

use std::collections::HashSet;

use crate::record::Record;

/// For each record a name that no other has: its model, and of what else it was run with only
/// what tells the records apart.
pub fn names(records: &[&Record]) -> Vec<String> {
    let parts: [fn(&Record) -> String; 8] = [
        |r| r.model().id.clone(),
        |r| r.dataset().id.clone(),
        |r| r.device().to_owned(),
        |r| r.model().dtype.clone(),
        |r| r.model().ops.clone(),
        |r| r.protocol().scenario.clone(),
        |r| format!("{} threads", r.protocol().threads),
        |r| r.protocol().decode.clone(),
    ];
    let mut names: Vec<String> = records.iter().map(|record| parts[0](record)).collect();
    for part in &parts[1..] {
        let values: Vec<String> = records.iter().map(|record| part(record)).collect();
        if values.iter().collect::<HashSet<_>>().len() > 1 {
            for (name, value) in names.iter_mut().zip(values) {
                *name += &format!(" \u{b7} {value}");
            }
        }
    }
    number(&mut names);
    names
}

/// Numbers names that stand more than once.
fn number(names: &mut [String]) {
    let all = names.to_vec();
    for (place, name) in names.iter_mut().enumerate() {
        if all.iter().filter(|other| *other == name).count() > 1 {
            let earlier = all[..place].iter().filter(|other| *other == name).count();
            *name += &format!(" #{}", earlier + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn equal_names_are_numbered() {
        let mut names = ["a", "b", "a"].map(str::to_owned);
        super::number(&mut names);
        assert_eq!(names, ["a #1", "b", "a #2"]);
    }
}
