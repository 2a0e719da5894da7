use std::time::Instant;

use super::super::machines::Machine;
use super::*;

const RANGE_UJ: u64 = 65_712_999_613;

fn write_domain(machine: &Machine, number: &str, name: &str, energy_uj: u64) {
    let folder = format!("{FOLDER}/intel-rapl:{number}");
    machine.write(&format!("{folder}/name"), &format!("{name}\n"));
    machine.write(
        &format!("{folder}/max_energy_range_uj"),
        &format!("{RANGE_UJ}\n"),
    );
    set(machine, number, energy_uj);
}

/// Replaces the counter's file as a whole, for a reader must not find it empty.
fn set(machine: &Machine, number: &str, energy_uj: u64) {
    let path = format!("{FOLDER}/intel-rapl:{number}/energy_uj");
    machine.write(&format!("{path}.new"), &format!("{energy_uj}\n"));
    let files = machine.files();
    std::fs::rename(files.path(format!("{path}.new")), files.path(path)).unwrap();
}

fn server() -> Machine {
    let machine = Machine::empty();
    machine.write(&format!("{FOLDER}/intel-rapl/enabled"), "1\n");
    for package in 0..2 {
        let name = format!("package-{package}");
        write_domain(&machine, &package.to_string(), &name, 1_000_000);
        write_domain(&machine, &format!("{package}:0"), "core", 500_000);
        write_domain(&machine, &format!("{package}:1"), "dram", 0);
    }
    write_domain(&machine, "2", "psys", 7);
    // The same energy a second time.
    machine.write(&format!("{FOLDER}/intel-rapl-mmio:0/name"), "package-0\n");
    machine.write(&format!("{FOLDER}/intel-rapl-mmio:0/energy_uj"), "1\n");
    machine
}

#[test]
fn domains_and_their_sums() {
    let machine = server();
    let meter = EnergyMeter::open(&machine.files()).unwrap();
    let first = meter.read().unwrap();
    for (number, energy_uj) in [("0", 3_500_000), ("0:0", 1_500_000), ("0:1", 250_000)] {
        set(&machine, number, energy_uj);
    }
    set(&machine, "1", 2_000_000);
    let energy = Energy::between(&first, &meter.read().unwrap());
    let domains = energy.domains.iter();
    let domains: Vec<_> = domains.map(|d| (d.name.as_str(), d.energy_j)).collect();
    let expected = [
        ("package-0", 2.5),
        ("package-0/core", 1.0),
        ("package-0/dram", 0.25),
        ("package-1", 1.0),
        ("package-1/core", 0.0),
        ("package-1/dram", 0.0),
        ("psys", 0.0),
    ];
    assert_eq!(domains, expected);
    assert_eq!(
        (energy.packages_j(), energy.memory_j()),
        (Some(3.5), Some(0.25))
    );
}

#[test]
fn a_counter_goes_round() {
    let machine = Machine::empty();
    write_domain(&machine, "0", "package-0", RANGE_UJ - 1_000_000);
    let meter = EnergyMeter::open(&machine.files()).unwrap();
    let first = meter.read().unwrap();
    set(&machine, "0", 2_000_000);
    let second = meter.read().unwrap();
    let energy = Energy::between(&first, &second);
    assert_eq!((energy.packages_j(), energy.memory_j()), (Some(3.0), None));
    set(&machine, "0", 2_000_001);
    let third = Energy::between(&second, &meter.read().unwrap());
    assert_eq!(third.packages_j(), Some(1e-6));
}

/// A writer goes round several times between two readings; the thread must see each.
#[test]
fn the_thread_sees_every_round() {
    let machine = Machine::empty();
    write_domain(&machine, "0", "package-0", 0);
    let meter = EnergyMeter::open_with(&machine.files(), Duration::from_millis(1)).unwrap();
    let first = meter.read().unwrap();
    let (step, steps) = (RANGE_UJ / 4, 20);
    let mut written = 0;
    for _ in 0..steps {
        written += step;
        set(&machine, "0", written % RANGE_UJ);
        // Until the thread has been there; a reading by the test itself would prove nothing of it.
        let start = Instant::now();
        while meter.shared.lock().counters[0].last_uj != written % RANGE_UJ {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "the thread looks no more"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let energy = Energy::between(&first, &meter.read().unwrap());
    let expected = (step * steps) as f64 / 1e6;
    assert!(expected > 4.0 * RANGE_UJ as f64 / 1e6);
    assert_eq!(energy.packages_j(), Some(expected));
}

#[test]
fn dropping_the_meter_ends_its_thread_at_once() {
    let machine = server();
    let meter = EnergyMeter::open(&machine.files()).unwrap();
    let start = Instant::now();
    drop(meter);
    assert!(start.elapsed() < INTERVAL / 2);
}

#[test]
fn no_counters() {
    let machine = Machine::empty();
    machine.write("/sys/class/powercap/dtpm/enabled", "0\n");
    let error = EnergyMeter::open(&machine.files()).unwrap_err();
    let path = machine.files().path(FOLDER);
    let expected = format!(
        "no RAPL: {} has no readable intel-rapl domain",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_counter_that_is_none() {
    let machine = Machine::empty();
    write_domain(&machine, "0", "package-0", 1);
    let path = format!("{FOLDER}/intel-rapl:0/energy_uj");
    let meter = EnergyMeter::open(&machine.files()).unwrap();
    machine.write(&path, "<>\n");
    let text = meter.read().unwrap_err().to_string();
    assert!(
        text.ends_with("energy_uj: not a number of microjoules"),
        "{text}"
    );
    assert!(EnergyMeter::open(&machine.files()).is_err());
    // Whatever its range, a counter without one could not be followed.
    machine.write(&path, "1\n");
    machine.write(&format!("{FOLDER}/intel-rapl:0/max_energy_range_uj"), "\n");
    assert!(matches!(
        EnergyMeter::open(&machine.files()),
        Err(EnergyError::NoRapl(_))
    ));
}

/// As for any user but root since CVE-2020-8694.
#[cfg(target_os = "linux")]
#[test]
fn counters_for_root_only() {
    use std::os::unix::fs::PermissionsExt;
    let machine = server();
    let files = machine.files();
    let set_mode = |path: PathBuf, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(files.path("/"), 0o755);
    for entry in files.names(FOLDER) {
        let path = files.path(format!("{FOLDER}/{entry}/energy_uj"));
        if path.exists() {
            set_mode(path, 0o000);
        }
    }
    let opened = files.clone();
    let open = move || {
        // Root may read everything: this thread, and no other, becomes somebody else for files.
        // SAFETY: the call takes a number and changes only this thread's credentials.
        unsafe { libc::syscall(libc::SYS_setfsuid, 65_534) };
        EnergyMeter::open(&opened).unwrap_err().to_string()
    };
    let text = std::thread::spawn(open).join().unwrap();
    let path = files.path(format!("{FOLDER}/intel-rapl:0/energy_uj"));
    let expected = format!("{}: permission denied; since CVE-2020-8694", path.display());
    assert!(text.starts_with(&expected), "{text}");
}

/// Whatever it has: figures that grow, or a reason.
#[test]
fn this_machine() {
    match EnergyMeter::open(&SystemFiles::here()) {
        Ok(meter) => {
            let first = meter.read().unwrap();
            std::thread::sleep(Duration::from_millis(100));
            let energy = Energy::between(&first, &meter.read().unwrap());
            println!("{energy:?}");
            assert!(!energy.domains.is_empty());
        }
        Err(reason) => {
            println!("{reason}");
            assert!(!reason.to_string().contains('\n'));
        }
    }
}
