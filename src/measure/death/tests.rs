use super::super::machines::Machine;
use super::*;

const NONE: OutOfMemoryKills = OutOfMemoryKills {
    cgroup: None,
    machine: None,
};

fn kills(cgroup: Option<u64>, machine: Option<u64>) -> OutOfMemoryKills {
    OutOfMemoryKills { cgroup, machine }
}

#[test]
fn kills_of_the_own_group() {
    let read = |name| OutOfMemoryKills::read(&Machine::named(name).files());
    assert_eq!(read("kubernetes-pod"), kills(Some(1), Some(9)));
    assert_eq!(read("docker-cgroup-v1"), kills(Some(3), Some(5)));
    assert_eq!(read("intel-bare-metal"), NONE);
}

#[test]
fn the_groups_counter_decides() {
    let grown = |before: (Option<u64>, Option<u64>), after: (Option<u64>, Option<u64>)| {
        kills(after.0, after.1).grown_since(&kills(before.0, before.1))
    };
    assert!(grown((Some(1), Some(9)), (Some(2), Some(10))));
    // Somebody else's process.
    assert!(!grown((Some(1), Some(9)), (Some(1), Some(10))));
    assert!(grown((None, Some(9)), (None, Some(10))));
    assert!(!grown((None, Some(9)), (None, Some(9))));
    assert!(!grown((None, None), (None, None)));
    // A group that was not there before, or is no longer.
    assert!(grown((None, Some(9)), (Some(0), Some(10))));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::*;

    fn by_signal(number: i32, stderr: &str) -> Death {
        explain(ExitStatus::from_raw(number), stderr, &NONE, &NONE)
    }

    fn by_code(code: i32, stderr: &str) -> Death {
        explain(ExitStatus::from_raw(code << 8), stderr, &NONE, &NONE)
    }

    #[test]
    fn killed_for_memory_or_not() {
        let status = ExitStatus::from_raw(libc::SIGKILL);
        let (before, after) = (kills(Some(0), Some(4)), kills(Some(1), Some(5)));
        let death = explain(status, "loading\n", &before, &after);
        assert_eq!(death.kind, DeathKind::OutOfMemory);
        assert!(death.message.contains("out-of-memory killer"), "{death:?}");
        let death = explain(status, "", &before, &before);
        assert_eq!(
            death.kind,
            DeathKind::Signal(libc::SIGKILL, Some("SIGKILL"))
        );
        assert!(
            death
                .message
                .starts_with("killed with SIGKILL, not for want"),
            "{death:?}"
        );
        // Another process was killed, and this one crashed.
        let death = explain(ExitStatus::from_raw(libc::SIGSEGV), "", &before, &after);
        assert_eq!(
            death.kind,
            DeathKind::Signal(libc::SIGSEGV, Some("SIGSEGV"))
        );
        assert_eq!(death.message, "crashed with SIGSEGV");
    }

    #[test]
    fn a_failed_allocation() {
        let stderr = "reading\nmemory allocation of 8589934592 bytes failed\n";
        // With the bit for a core dump.
        let death = by_signal(libc::SIGABRT | 0x80, stderr);
        assert_eq!(death.kind, DeathKind::OutOfMemory);
        assert_eq!(
            death.message,
            "out of memory: an allocation of 8589934592 bytes failed"
        );
        let death = by_signal(
            libc::SIGABRT,
            "memory allocation of my dreams bytes failed\n",
        );
        assert_eq!(death.message, "aborted (SIGABRT)");
    }

    #[test]
    fn signals_have_names() {
        let name = |number| by_signal(number, "").message;
        assert_eq!(name(libc::SIGTERM), "ended by SIGTERM");
        assert!(name(libc::SIGILL).starts_with("crashed with SIGILL: an instruction"));
        // A real-time signal has none.
        assert_eq!(by_signal(40, "").kind, DeathKind::Signal(40, None));
        assert_eq!(name(40), "ended by signal 40");
    }

    #[test]
    fn panics_are_quoted() {
        let cases = [
            (
                "progress\nthread 'main' (4711) panicked at src/x.rs:2:5:\nindex out of bounds:\n  the len is 3\n\
                 note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
                "panicked at src/x.rs:2:5: index out of bounds: the len is 3",
            ),
            (
                "thread 'a' panicked at src/a.rs:1:1:\nfirst\nthread 'main' panicked at src/b.rs:1:1:\nAny { .. }\n",
                "panicked at src/a.rs:1:1: first",
            ),
            (
                "thread '<unnamed>' panicked at src/a.rs:1:1:\nboom\nstack backtrace:\n   0: rust_begin_unwind\n",
                "panicked at src/a.rs:1:1: boom",
            ),
            // Before Rust 1.73.
            (
                "thread 'main' panicked at 'boom', src/a.rs:1:1\nnote: run with `RUST_BACKTRACE=1` …\n",
                "panicked at 'boom', src/a.rs:1:1",
            ),
            // The tail begins too late.
            (
                "the end of a long message\n",
                "panicked (exit code 101): the end of a long message",
            ),
            (
                "",
                "panicked (exit code 101), and nothing on standard error",
            ),
        ];
        for (stderr, expected) in cases {
            let death = by_code(101, stderr);
            assert_eq!(death.kind, DeathKind::Exit(101));
            assert_eq!(death.message, expected, "{stderr}");
        }
        let aborted = by_signal(
            libc::SIGABRT,
            "thread 'main' panicked at src/a.rs:1:1:\nno\n",
        );
        assert_eq!(
            aborted.message,
            "aborted (SIGABRT): panicked at src/a.rs:1:1: no"
        );
        let stack =
            "\nthread 'main' has overflowed its stack\nfatal runtime error: stack overflow\n";
        let aborted = by_signal(libc::SIGABRT, stack);
        assert_eq!(
            aborted.message,
            "aborted (SIGABRT): thread 'main' has overflowed its stack"
        );
    }

    #[test]
    fn other_codes_quote_the_last_line() {
        let death = by_code(2, "error: no such model\n  hint: …\n\n");
        assert_eq!(death.kind, DeathKind::Exit(2));
        assert_eq!(death.message, "exit code 2: hint: …");
        assert_eq!(
            by_code(3, "\n").message,
            "exit code 3, and nothing on standard error"
        );
        let long = "é ".repeat(1000);
        let message = by_code(1, &long).message;
        assert_eq!(
            message.chars().filter(|&c| c == 'é').count(),
            MOST_QUOTED / 2
        );
        assert!(message.ends_with('…'));
    }

    /// Real deaths: this test program, run again as a child that plays one of them.
    #[test]
    fn real_deaths() {
        let played = std::env::var("SPANBENCH_PLAYED_DEATH");
        match played.as_deref() {
            Ok("panic") => panic!("played\nin two lines"),
            Ok("allocation") => {
                drop(std::hint::black_box(Vec::<u8>::with_capacity(
                    isize::MAX as usize,
                )));
            }
            Ok("abort") => std::process::abort(),
            Ok(other) => panic!("no such death: {other}"),
            Err(_) => {}
        }
        let die = |death: &str| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args([
                "--exact",
                "--nocapture",
                "measure::death::tests::unix::real_deaths",
            ]);
            child.env("SPANBENCH_PLAYED_DEATH", death);
            let before = OutOfMemoryKills::read(&SystemFiles::here());
            let output = child.stdout(Stdio::null()).output().unwrap();
            let after = OutOfMemoryKills::read(&SystemFiles::here());
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            explain(output.status, &stderr, &before, &after)
        };
        let panicked = die("panic");
        // The test runner has a code of its own.
        assert_eq!(panicked.kind, DeathKind::Exit(101));
        assert!(
            panicked
                .message
                .starts_with("panicked at src/measure/death/tests.rs:"),
            "{panicked:?}"
        );
        assert!(
            panicked.message.contains(": played in two lines"),
            "{panicked:?}"
        );
        let allocation = die("allocation");
        assert_eq!(allocation.kind, DeathKind::OutOfMemory, "{allocation:?}");
        assert!(
            allocation.message.contains("9223372036854775807 bytes"),
            "{allocation:?}"
        );
        let aborted = die("abort");
        assert_eq!(
            aborted.kind,
            DeathKind::Signal(libc::SIGABRT, Some("SIGABRT"))
        );
        // A child that the parent kills.
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        child.kill().unwrap();
        let death = explain(child.wait().unwrap(), "", &NONE, &NONE);
        assert_eq!(
            death.kind,
            DeathKind::Signal(libc::SIGKILL, Some("SIGKILL"))
        );
    }
}
