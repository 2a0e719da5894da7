//! Energy that the processor's own counters (RAPL) tell.
//!
//! Linux shows them as folders `/sys/class/powercap/intel-rapl:N` (a package,
//! or the whole platform) and `intel-rapl:N:M` (its cores, its memory), on AMD
//! processors too: Documentation/power/powercap in the kernel.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::system_files::SystemFiles;

const FOLDER: &str = "/sys/class/powercap";

/// How often the counters are looked at, lest one go round twice unseen.
///
/// The smallest range in use is 65.7 kJ (2³² units of 15.3 µJ); it lasts 5 s up to 13 kW.
const INTERVAL: Duration = Duration::from_secs(5);

/// Why there is no energy.
#[derive(Debug, thiserror::Error)]
pub enum EnergyError {
    /// The system has no such counters.
    #[error("no RAPL: {} has no readable intel-rapl domain", .0.display())]
    NoRapl(PathBuf),
    /// There are counters, of which none can be read.
    #[error("{}: {}", .path.display(), reason(.error))]
    Unreadable {
        /// The first that could not.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file of a counter holds something else.
    #[error("{}: not a number of microjoules", .0.display())]
    NotANumber(PathBuf),
    /// The thread that follows the counters could not be started.
    #[error("no thread to follow the energy counters: {0}")]
    Thread(std::io::Error),
}

fn reason(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        "permission denied; since CVE-2020-8694 only root may read it, unless `chmod a+r` on it allows more".to_owned()
    } else {
        error.to_string()
    }
}

/// Follows the counters from a thread of its own.
#[derive(Debug)]
pub struct EnergyMeter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the counters have added up to since [`EnergyMeter::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnergyReading {
    totals_uj: Vec<(String, u64)>,
}

/// Energy in joules.
#[derive(Debug, Clone, PartialEq)]
pub struct Energy {
    /// By domain: `package-0`, `package-0/core`, `package-0/dram`, `psys`, …
    pub domains: Vec<DomainEnergy>,
}

/// Energy of one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainEnergy {
    /// The kernel's name of it, after that of the domain it is part of.
    pub name: String,
    /// In joules.
    pub energy_j: f64,
}

impl Energy {
    /// What was used from `first` to `second`, two readings of one meter.
    pub fn between(first: &EnergyReading, second: &EnergyReading) -> Self {
        let pairs = first.totals_uj.iter().zip(&second.totals_uj);
        let domains = pairs.map(|((name, first), (_, second))| DomainEnergy {
            name: name.clone(),
            energy_j: second.saturating_sub(*first) as f64 / 1e6,
        });
        Self {
            domains: domains.collect(),
        }
    }

    /// All packages together; cores and graphics are parts of them.
    pub fn packages_j(&self) -> Option<f64> {
        self.sum(|name| name.starts_with("package-") && !name.contains('/'))
    }

    /// The memory of all packages, which the packages' own figure lacks.
    pub fn memory_j(&self) -> Option<f64> {
        self.sum(|name| name.ends_with("/dram"))
    }

    fn sum(&self, belongs: impl Fn(&str) -> bool) -> Option<f64> {
        let domains = self.domains.iter().filter(|domain| belongs(&domain.name));
        domains.map(|domain| domain.energy_j).reduce(|a, b| a + b)
    }
}

impl EnergyMeter {
    /// Opens the counters and begins to follow them.
    ///
    /// # Errors
    /// [`EnergyError`], where no counter can be read.
    pub fn open(files: &SystemFiles) -> Result<Self, EnergyError> {
        Self::open_with(files, INTERVAL)
    }

    fn open_with(files: &SystemFiles, interval: Duration) -> Result<Self, EnergyError> {
        let state = State {
            counters: counters(files)?,
            done: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        let followed = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("energy-meter".to_owned());
        let thread = builder.spawn(move || followed.follow(interval));
        Ok(Self {
            shared,
            thread: Some(thread.map_err(EnergyError::Thread)?),
        })
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// [`EnergyError`], where one of them can no longer be read.
    pub fn read(&self) -> Result<EnergyReading, EnergyError> {
        let mut state = self.shared.lock();
        for counter in &mut state.counters {
            counter.update()?;
        }
        let totals = state.counters.iter();
        let totals = totals.map(|counter| (counter.name.clone(), counter.total_uj));
        Ok(EnergyReading {
            totals_uj: totals.collect(),
        })
    }
}

impl Drop for EnergyMeter {
    fn drop(&mut self) {
        self.shared.lock().done = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing to say that matters now.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    counters: Vec<Counter>,
    done: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters are whole after each step, so that a panic elsewhere leaves them usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, interval: Duration) {
        let mut state = self.lock();
        while !state.done {
            for counter in &mut state.counters {
                // Whoever asks for a reading is told of the failure.
                let _ = counter.update();
            }
            let waited = self.wake.wait_timeout(state, interval);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A counter of microjoules that begins again at zero after `range_uj`.
#[derive(Debug)]
struct Counter {
    name: String,
    path: PathBuf,
    range_uj: u64,
    last_uj: u64,
    total_uj: u64,
}

impl Counter {
    fn update(&mut self) -> Result<(), EnergyError> {
        let now_uj = read_uj(&self.path)?;
        let grown_uj = if now_uj >= self.last_uj {
            now_uj - self.last_uj
        } else {
            // Once round: up to the end of the range, and on from zero.
            self.range_uj
                .saturating_sub(self.last_uj)
                .saturating_add(now_uj)
        };
        self.total_uj = self.total_uj.saturating_add(grown_uj);
        self.last_uj = now_uj;
        Ok(())
    }
}

fn read_uj(path: &PathBuf) -> Result<u64, EnergyError> {
    let text = std::fs::read_to_string(path).map_err(|error| EnergyError::Unreadable {
        path: path.clone(),
        error,
    })?;
    let number = text.trim().parse();
    number.map_err(|_| EnergyError::NotANumber(path.clone()))
}

/// The counters that can be read; the first reason where none can.
fn counters(files: &SystemFiles) -> Result<Vec<Counter>, EnergyError> {
    let mut found = Vec::new();
    let mut refused = None;
    for entry in files.names(FOLDER) {
        // `intel-rapl` alone is the driver; `intel-rapl-mmio:N` shows the same energy a second time.
        let Some(number) = entry.strip_prefix("intel-rapl:") else {
            continue;
        };
        let name_of = |number: &str| files.line(format!("{FOLDER}/intel-rapl:{number}/name"));
        let Some(mut name) = name_of(number) else {
            continue;
        };
        if let Some((parent, _)) = number.rsplit_once(':') {
            let parent = name_of(parent).unwrap_or_else(|| parent.to_owned());
            name = format!("{parent}/{name}");
        }
        let range_uj = files.number(format!("{FOLDER}/{entry}/max_energy_range_uj"));
        let path = files.path(format!("{FOLDER}/{entry}/energy_uj"));
        match (read_uj(&path), range_uj) {
            (Ok(last_uj), Some(range_uj)) => found.push(Counter {
                name,
                path,
                range_uj,
                last_uj,
                total_uj: 0,
            }),
            // Without its range a counter that goes round could not be followed.
            (Ok(_), None) => {}
            (Err(error), _) => refused = refused.or(Some(error)),
        }
    }
    if found.is_empty() {
        return Err(refused.unwrap_or_else(|| EnergyError::NoRapl(files.path(FOLDER))));
    }
    Ok(found)
}

// Windows has no such file names.
#[cfg(all(test, unix))]
mod tests;
