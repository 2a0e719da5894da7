use super::*;

const MEBIBYTE: usize = 1 << 20;

/// Tests of one process that watch its memory must not allocate at the same time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn touched(mebibytes: usize) -> Vec<u8> {
    std::hint::black_box(vec![1_u8; mebibytes * MEBIBYTE])
}

#[test]
fn a_large_allocation_shows_after_it_is_gone() {
    const BYTES: usize = 64 << 20;
    let _alone = alone();
    let watch = MemoryWatch::start();
    let before = watch.peaks();
    let block = vec![1_u8; BYTES];
    assert_eq!(std::hint::black_box(&block).len(), BYTES);
    std::thread::sleep(INTERVAL * 5);
    drop(block);
    let after = watch.peaks();
    let grown = after.anonymous.unwrap() - before.anonymous.unwrap();
    assert!(grown >= (BYTES / 2) as u64, "grew by {grown}");
    assert!(after.resident.unwrap() >= after.anonymous.unwrap());
}

#[test]
fn each_phase_has_its_own_peak_and_end() {
    let _alone = alone();
    let watch = MemoryWatch::start();
    let start = watch.mark("start");
    let block = touched(96);
    std::thread::sleep(INTERVAL * 5);
    drop(block);
    let high = watch.mark("high");
    std::thread::sleep(INTERVAL * 5);
    let low = watch.mark("low");
    let kept = touched(48);
    let again = watch.mark("start");
    drop(kept);
    let names: Vec<_> = watch.phases().iter().map(|phase| phase.phase).collect();
    assert_eq!(names, ["start", "high", "low"]);
    let [first, ..] = watch.phases()[..] else {
        panic!("phases")
    };
    assert_eq!(first, again);
    let mebibytes = |bytes: Option<u64>| bytes.unwrap() as f64 / MEBIBYTE as f64;
    let base = mebibytes(start.anonymous_end);
    let above = |bytes| mebibytes(bytes) - base;
    // Other tests' threads come and go, but not 32 MiB of them.
    assert!(above(high.anonymous_peak) > 90.0, "{high:?}");
    assert!(above(high.anonymous_end) < 32.0, "{high:?}");
    assert!(above(low.anonymous_peak) < 32.0, "{low:?}");
    assert!(above(again.anonymous_end) > 40.0, "{again:?}");
    assert!(above(again.anonymous_peak) > 40.0, "{again:?}");
    for phase in watch.phases() {
        assert!(phase.resident_peak >= phase.resident_end, "{phase:?}");
        assert!(phase.anonymous_peak >= phase.anonymous_end, "{phase:?}");
        assert!(phase.resident_end >= phase.anonymous_end, "{phase:?}");
        assert!(
            phase.file_end.is_some() && phase.swap_end.is_some(),
            "{phase:?}"
        );
    }
}

#[test]
fn the_kernels_mark_counts_where_the_phase_raised_it() {
    let status = |mark: u64, now: u64| Status {
        resident_peak: Some(mark),
        resident: Some(now),
        anonymous: Some(now),
        file: Some(0),
        swap: Some(0),
    };
    let mut state = State {
        anonymous_peak: None,
        phase: Peaks::default(),
        mark_at_start: Some(100),
        phase_started: Instant::now(),
        samples: Samples::default(),
        closed: Vec::new(),
        done: false,
    };
    assert_eq!(
        state.close("raised", status(900, 50)).resident_peak,
        Some(900)
    );
    assert_eq!(
        state.close("below", status(900, 60)).resident_peak,
        Some(60)
    );
    // A system that tells nothing.
    let nothing = state.close("untold", Status::default());
    assert_eq!((nothing.resident_peak, nothing.anonymous_end), (None, None));
}

#[test]
fn samples_show_a_leak() {
    let _alone = alone();
    let watch = MemoryWatch::start();
    let settled = touched(4);
    watch.mark("before");
    let mut leak = Vec::new();
    for _ in 0..20 {
        leak.push(touched(4));
        std::thread::sleep(INTERVAL * 2);
    }
    let samples = watch.samples();
    watch.mark("leak");
    drop((settled, leak));
    assert!(samples.len() >= 10, "{}", samples.len());
    assert!(samples.windows(2).all(|pair| pair[0].at_s < pair[1].at_s));
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    assert!(first.at_s < 0.1 && last.at_s >= 0.2, "{first:?} {last:?}");
    let grown = last.anonymous_bytes - first.anonymous_bytes;
    assert!(grown > 60 << 20, "{grown} of 80 MiB");
    assert!(watch.samples().len() < samples.len());
}

/// The processor time of the watch's thread, as the scheduler counts it.
#[test]
fn the_watch_costs_little() {
    let _alone = alone();
    let _watch = MemoryWatch::start();
    let ran_ns = || -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let folders = tasks.map(|task| task.unwrap().path());
        let watches = folders.filter(|folder| {
            let name = std::fs::read_to_string(folder.join("comm"));
            name.is_ok_and(|name| name.trim() == "memory-watch")
        });
        let ran = watches.map(|folder| -> u64 {
            let text = std::fs::read_to_string(folder.join("schedstat")).unwrap();
            text.split(' ').next().unwrap().parse().unwrap()
        });
        ran.max().unwrap()
    };
    std::thread::sleep(FIRST + INTERVAL * 10);
    let (started, before) = (Instant::now(), ran_ns());
    std::thread::sleep(Duration::from_secs(2));
    let share = (ran_ns() - before) as f64 / 1e9 / started.elapsed().as_secs_f64();
    println!("the watch takes {:.4} % of a core", share * 100.0);
    // Five times what is meant to be: a loaded machine must not fail the test, a costlier way to look must.
    assert!(share > 0.0 && share < 0.005, "{share}");
}
