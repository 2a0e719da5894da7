//! Rooflines kept on disk, one file for each machine, number of threads and build.

use std::io;
use std::path::{Path, PathBuf};

use super::wire::{SCHEMA, WireMachine, WireRoofline, WireVersion};
use super::{Effort, Roofline, RooflineError, measure};
use crate::caches;

/// The folder among the user's caches.
const FOLDER: &str = "roofline";

/// The roofline of this machine with `threads` threads: from its file in
/// `cache_dir` (by default `spanbench/roofline` in the user's cache folder), or
/// measured and kept there. A `fresh` one is measured in any case. Beside it,
/// what to know of it, a note a line.
///
/// A file that is damaged, of another version or of another machine is
/// measured again, and a folder that cannot be written to is a note. What was
/// measured while the machine was busy is not kept.
///
/// # Errors
///
/// Fails where threads cannot be started.
pub fn measure_or_cached(
    threads: usize,
    fresh: bool,
    cache_dir: Option<&Path>,
) -> Result<(Roofline, Vec<String>), RooflineError> {
    let folder = cache_dir
        .map(Path::to_owned)
        .or_else(|| caches::folder(FOLDER));
    let threads = threads.max(1);
    let cache = Cache::new(folder, WireMachine::this(threads));
    cache.get_or(fresh, || measure(threads, &Effort::default()))
}

/// The roofline of this machine with `threads` threads, where it was measured and kept before.
pub fn cached(threads: usize) -> Option<Roofline> {
    let cache = Cache::new(caches::folder(FOLDER), WireMachine::this(threads.max(1)));
    cache.read(cache.path.as_deref()?).ok().flatten()
}

/// The place of one machine's file.
struct Cache {
    path: Option<PathBuf>,
    machine: WireMachine,
}

impl Cache {
    fn new(folder: Option<PathBuf>, machine: WireMachine) -> Self {
        let name = format!("{}.json", machine.key());
        Self {
            path: folder.map(|folder| folder.join(name)),
            machine,
        }
    }

    fn get_or<E>(
        &self,
        fresh: bool,
        measure: impl FnOnce() -> Result<(Roofline, Vec<String>), E>,
    ) -> Result<(Roofline, Vec<String>), E> {
        let mut notes = Vec::new();
        if let Some(path) = self.path.as_deref().filter(|_| !fresh) {
            match self.read(path) {
                Ok(Some(roofline)) => return Ok((roofline, notes)),
                Ok(None) => {}
                Err(reason) => notes.push(format!(
                    "{}: {reason}; the machine was measured again",
                    path.display()
                )),
            }
        }
        let (roofline, more) = measure()?;
        notes.extend(more);
        if roofline.is_disturbed() {
            return Ok((roofline, notes));
        }
        match &self.path {
            Some(path) => {
                if let Err(fault) = self.write(path, &roofline) {
                    let path = path.display();
                    notes.push(format!("{path}: the roofline could not be kept: {fault}"));
                }
            }
            None => notes.push(
                "the roofline could not be kept: the system names no folder for caches".to_owned(),
            ),
        }
        Ok((roofline, notes))
    }

    /// What the file holds; nothing where there is none.
    fn read(&self, path: &Path) -> Result<Option<Roofline>, String> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(format!("it cannot be read: {fault}")),
        };
        let damaged = |fault: serde_json::Error| format!("it is damaged: {fault}");
        let WireVersion { schema } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if schema != SCHEMA {
            return Err(format!("its schema is {schema}, not {SCHEMA}"));
        }
        let wire: WireRoofline = serde_json::from_slice(&bytes).map_err(damaged)?;
        if wire.machine != self.machine {
            return Err("it is of another machine or build".to_owned());
        }
        let roofline = wire.roofline();
        let roofline = roofline.ok_or("it is damaged: its figures contradict each other")?;
        Ok(Some(roofline))
    }

    fn write(&self, path: &Path, roofline: &Roofline) -> io::Result<()> {
        let mut text =
            serde_json::to_vec_pretty(&WireRoofline::new(roofline, self.machine.clone()))?;
        text.push(b'\n');
        caches::write(path, &text)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::super::wire::tests::{machine, roofline};
    use super::*;

    fn get(cache: &Cache, fresh: bool) -> (Option<Roofline>, Vec<String>, bool) {
        let mut measured = false;
        let got: Result<_, Infallible> = cache.get_or(fresh, || {
            measured = true;
            Ok((roofline(), Vec::new()))
        });
        let Ok((roofline, notes)) = got;
        (Some(roofline), notes, measured)
    }

    #[test]
    fn what_was_measured_once_is_read_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("not/there/yet");
        let cache = Cache::new(Some(folder.clone()), machine(4));
        assert_eq!(get(&cache, false), (Some(roofline()), vec![], true));
        assert_eq!(get(&cache, false), (Some(roofline()), vec![], false));
        assert_eq!(get(&cache, true), (Some(roofline()), vec![], true));
        // One file, and no temporary one beside it.
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
        assert_eq!(files.len(), 1);
        // Another number of threads is another file.
        let other = Cache::new(Some(folder), machine(2));
        assert_ne!(cache.path, other.path);
        assert!(get(&other, false).2);
    }

    #[test]
    fn what_cannot_be_used_is_measured_again_with_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().to_owned()), machine(4));
        let path = cache.path.clone().unwrap();
        get(&cache, false);
        let good = std::fs::read_to_string(&path).unwrap();
        let half = &good[..good.len() / 2];
        let later = good.replace("\"schema\": 3", "\"schema\": 4");
        let elsewhere = good.replace("A Processor", "Another");
        let lower = good.replace(
            "\"matrix_peak_flops_per_s\": 3",
            "\"matrix_peak_flops_per_s\": 1",
        );
        let none = good.replace("\"seconds\": 4.25", "\"seconds\": 0.0");
        let never = good.replace("\"measured\": \"", "\"measured\": \"on ");
        for (text, reason) in [
            ("", "damaged"),
            ("[]", "damaged"),
            ("{\"schema\": 3}", "damaged"),
            (half, "damaged"),
            (&later, "its schema is 4, not 3"),
            ("{\"schema\": 2, \"old\": {}}", "its schema is 2, not 3"),
            (&elsewhere, "another machine"),
            (&lower, "contradict"),
            (&none, "contradict"),
            (&never, "contradict"),
        ] {
            assert_ne!(text, good);
            std::fs::write(&path, text).unwrap();
            let (found, notes, measured) = get(&cache, false);
            assert!(measured && found == Some(roofline()), "{text}");
            assert!(notes.len() == 1 && notes[0].contains(reason), "{notes:?}");
            // It is whole again.
            assert_eq!(std::fs::read_to_string(&path).unwrap(), good);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for folder in [Some(file.join("below")), None] {
            let cache = Cache::new(folder, machine(1));
            let (found, notes, measured) = get(&cache, false);
            assert!(measured && found == Some(roofline()));
            assert!(notes.last().unwrap().contains("could not be kept"));
        }
    }

    #[test]
    fn what_was_measured_on_a_busy_machine_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().to_owned()), machine(4));
        let busy = Roofline {
            waited_share: Some(0.25),
            ..roofline()
        };
        let got: Result<_, Infallible> = cache.get_or(false, || Ok((busy.clone(), Vec::new())));
        assert_eq!(got, Ok((busy, Vec::new())));
        assert!(!cache.path.clone().unwrap().exists());
        assert!(get(&cache, false).2);
        assert!(cache.path.unwrap().exists());
    }
}
