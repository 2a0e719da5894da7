use std::time::Duration;

use super::super::machines::Machine;
use super::*;

fn usage(user_s: f64, system_s: f64, counts: [u64; 4]) -> OwnUsage {
    let [
        voluntary_switches,
        involuntary_switches,
        minor_faults,
        major_faults,
    ] = counts;
    OwnUsage {
        user_s,
        system_s,
        voluntary_switches,
        involuntary_switches,
        minor_faults,
        major_faults,
    }
}

/// Reads `machine` before and after `change`, as if 10 s lay between.
fn noise_of(machine: &Machine, own: [Option<OwnUsage>; 2], change: impl FnOnce(&Machine)) -> Noise {
    let start = Instant::now();
    let [before, after] = own;
    let first = Reading::of(&machine.files(), before, start);
    change(machine);
    let end = start + Duration::from_secs(10);
    let second = Reading::of(&machine.files(), after, end);
    Noise::between(&first, &second)
}

/// `/proc/stat` of processors with these ticks of user, idle and steal.
fn stat(cpus: &[[u64; 3]]) -> String {
    let lines = cpus.iter().enumerate().map(|(cpu, [user, idle, steal])| {
        format!("cpu{cpu} {user} 0 0 {idle} 0 0 0 {steal} 7 7\n")
    });
    format!(
        "cpu  1 2 3 4 5 6 7 8 9 10\n{}intr 1 2\nctxt 5\n",
        lines.collect::<String>()
    )
}

fn found(noise: &Noise, cores_used: usize) -> Vec<Disturbance> {
    let warnings = warnings(noise, cores_used).into_iter();
    warnings.map(|warning| warning.disturbance).collect()
}

fn near(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() < 1e-9)
}

#[test]
fn shares_are_of_the_processors_this_process_may_use() {
    let machine = Machine::empty();
    machine.write("/proc/self/status", "Cpus_allowed_list:\t0-1\n");
    machine.write(
        "/proc/stat",
        &stat(&[[100, 100, 0], [100, 100, 0], [0, 0, 0]]),
    );
    let own = [usage(1.0, 1.0, [0; 4]), usage(9.0, 3.0, [0; 4])].map(Some);
    let noise = noise_of(&machine, own, |machine| {
        // Of 10 s each: 9 s and 6 s busy, 0.5 s stolen; the third is others' own affair.
        machine.write(
            "/proc/stat",
            &stat(&[[1000, 150, 50], [700, 500, 0], [900, 0, 100]]),
        );
    });
    assert!(near(noise.steal_share, 0.025), "{noise:?}");
    assert!(near(noise.busy_cores, 1.5), "{noise:?}");
    // Own time is 10 s in 10 s.
    assert!(near(noise.others_busy_cores, 0.5), "{noise:?}");
    assert!(
        near(noise.own_user_s, 8.0) && near(noise.own_system_s, 2.0),
        "{noise:?}"
    );
    let texts = warnings(&noise, 1);
    let texts: Vec<_> = texts.iter().map(|warning| warning.text.as_str()).collect();
    let expected = [
        "the hypervisor gave 2.5 % of the processors' time to others (steal)",
        "other processes kept 0.50 cores busy, 50 % of the 1 that the run used",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_machine_of_its_own_is_not_warned_of() {
    let machine = Machine::empty();
    machine.write("/proc/stat", &stat(&[[0, 0, 0], [0, 0, 0]]));
    machine.write("/proc/vmstat", "oom_kill 0\n");
    // 1.9 of 2 cores own, 0.05 others, 0.5 % steal, and the noise of a quiet kernel.
    let own = [
        usage(0.0, 0.0, [0; 4]),
        usage(19.0, 0.0, [900, 200, 50_000, 3]),
    ]
    .map(Some);
    let noise = noise_of(&machine, own, |machine| {
        machine.write("/proc/stat", &stat(&[[975, 20, 5], [975, 20, 5]]));
    });
    assert!(near(noise.steal_share, 0.005), "{noise:?}");
    assert_eq!(found(&noise, 2), []);
}

#[test]
fn own_time_above_the_ticks_is_nobody_elses() {
    let machine = Machine::empty();
    machine.write("/proc/stat", &stat(&[[0, 0, 0]]));
    let own = [usage(0.0, 0.0, [0; 4]), usage(9.99, 0.0, [0; 4])].map(Some);
    let noise = noise_of(&machine, own, |machine| {
        machine.write("/proc/stat", &stat(&[[990, 10, 0]]));
    });
    assert_eq!(noise.others_busy_cores, Some(0.0));
}

#[test]
fn a_few_ticks_are_rounding() {
    let noise = Noise {
        span_s: 0.1,
        steal_share: Some(0.2),
        others_busy_cores: Some(0.4),
        ..Noise::default()
    };
    assert_eq!(found(&noise, 1), []);
    let longer = Noise {
        span_s: 1.0,
        ..noise
    };
    assert_eq!(found(&longer, 1), [Disturbance::Steal, Disturbance::Others]);
}

#[test]
fn throttling_of_both_versions() {
    let machine = Machine::named("kubernetes-pod");
    let noise = noise_of(&machine, [None, None], |machine| {
        let stat = "nr_periods 90\nnr_throttled 10\nthrottled_usec 400000\n";
        machine.write("/sys/fs/cgroup/cpu.stat", stat);
        let stat = "nr_periods 9\nnr_throttled 1\nthrottled_usec 100000\n";
        machine.write("/sys/fs/cgroup/inner/cpu.stat", stat);
    });
    assert_eq!(noise.throttled_periods, Some(4));
    assert!(near(noise.throttled_s, 0.25), "{noise:?}");
    let [warning] = &warnings(&noise, 1)[..] else {
        panic!("{noise:?}")
    };
    let text = "the processor quota of the control group was used up 4 times and held the process back for 0.25 s";
    assert_eq!(warning.text, text);

    let machine = Machine::named("docker-cgroup-v1");
    let noise = noise_of(&machine, [None, None], |machine| {
        let stat = "nr_periods 200\nnr_throttled 5\nthrottled_time 3500000000\n";
        machine.write("/sys/fs/cgroup/cpu,cpuacct/cpu.stat", stat);
    });
    assert_eq!(noise.throttled_periods, Some(1));
    assert!(near(noise.throttled_s, 2.0), "{noise:?}");
    // Neither group has changed.
    let quiet = noise_of(&machine, [None, None], |_| {});
    assert_eq!(
        (quiet.throttled_periods, found(&quiet, 1)),
        (Some(0), vec![])
    );
}

#[test]
fn frequencies_and_heat() {
    let folder = "/sys/devices/system/cpu";
    let machine = Machine::named("intel-bare-metal");
    let noise = noise_of(&machine, [None, None], |machine| {
        // Another core works now, as fast as the one before.
        machine.write(
            &format!("{folder}/cpu3/cpufreq/scaling_cur_freq"),
            "800000\n",
        );
        machine.write(
            &format!("{folder}/cpu1/cpufreq/scaling_cur_freq"),
            "3990000\n",
        );
    });
    assert_eq!(noise.frequencies.len(), 4);
    assert_eq!(
        (noise.frequencies[3].start_mhz, noise.frequencies[3].end_mhz),
        (4000.25, 800.0)
    );
    assert_eq!((noise.thermal_events, found(&noise, 2)), (None, vec![]));
    let noise = noise_of(&machine, [None, None], |machine| {
        machine.write(
            &format!("{folder}/cpu1/cpufreq/scaling_cur_freq"),
            "3000000\n",
        );
    });
    let text = &warnings(&noise, 2)[0].text;
    assert_eq!(
        text,
        "the fastest core's frequency went from 3990 to 3000 MHz (-25 %)"
    );

    let machine = Machine::named("two-numa-nodes");
    let noise = noise_of(&machine, [None, None], |machine| {
        machine.write(
            &format!("{folder}/cpu0/thermal_throttle/core_throttle_count"),
            "3\n",
        );
        machine.write(
            &format!("{folder}/cpu7/thermal_throttle/package_throttle_count"),
            "1\n",
        );
    });
    assert_eq!(
        (noise.thermal_events, found(&noise, 2)),
        (Some(3), vec![Disturbance::Heat])
    );
}

#[test]
fn faults_and_switches() {
    let machine = Machine::empty();
    let own = [
        usage(0.0, 0.0, [5, 0, 0, 0]),
        usage(1.0, 0.0, [9, 4801, 70, 11]),
    ]
    .map(Some);
    let noise = noise_of(&machine, own, |_| {});
    assert_eq!(
        (noise.voluntary_switches, noise.minor_faults),
        (Some(4), Some(70))
    );
    let texts: Vec<_> = warnings(&noise, 2).into_iter().map(|w| w.text).collect();
    let expected = [
        "11 pages were read from disk or from swap while the clock ran (major faults)",
        "threads were taken off their core 240 times per second and core: other processes, or more threads than cores",
    ];
    assert_eq!(texts, expected);
    // On four cores the same switches are hardly above 120 each, on five below.
    assert_eq!(
        found(&noise, 4),
        [Disturbance::MajorFaults, Disturbance::Preempted]
    );
    assert_eq!(found(&noise, 5), [Disturbance::MajorFaults]);
}

#[test]
fn pressure_and_load() {
    let pressure = |total| {
        format!("some avg10=0.17 avg60=0.40 avg300=3.24 total={total}\nfull avg10=0.00 total=1\n")
    };
    let machine = Machine::empty();
    machine.write("/proc/loadavg", "0.50 0.1 0.1 1/2 3\n");
    machine.write("/proc/pressure/cpu", &pressure(1000));
    machine.write("/proc/pressure/io", &pressure(9));
    let noise = noise_of(&machine, [None, None], |machine| {
        machine.write("/proc/loadavg", "2.50 0.1 0.1 1/2 3\n");
        machine.write("/proc/pressure/cpu", &pressure(4500));
        // A counter that went back.
        machine.write("/proc/pressure/io", &pressure(3));
    });
    assert_eq!(
        (noise.load_average_start, noise.load_average_end),
        (Some(0.5), Some(2.5))
    );
    let stalls = (noise.cpu_stall_us, noise.memory_stall_us, noise.io_stall_us);
    assert_eq!(stalls, (Some(3500), None, Some(0)));
}

#[test]
fn a_machine_that_tells_nothing_is_not_warned_of() {
    for name in ["raspberry-pi", "kvm-guest"] {
        let noise = noise_of(&Machine::named(name), [None, None], |_| {});
        assert_eq!((noise.steal_share, noise.others_busy_cores), (None, None));
        assert_eq!(found(&noise, 0), [], "{name}");
    }
    let machine = Machine::empty();
    machine.write(
        "/proc/stat",
        "cpu0 1 2\ncpux 1 2 3 4 5 6 7 8\ncpu1 a b c d e f g h\n",
    );
    let noise = noise_of(&machine, [None, None], |_| {});
    assert_eq!(
        noise,
        Noise {
            span_s: 10.0,
            ..Noise::default()
        }
    );
    // Both readings at once.
    let reading = Reading::now();
    let nothing = Noise::between(&reading, &reading);
    assert_eq!((nothing.span_s, found(&nothing, 1)), (0.0, vec![]));
}

/// One core's work of this process, and its switches and faults, on whatever machine this is.
#[cfg(target_os = "linux")]
#[test]
fn this_machine() {
    let first = Reading::now();
    // A thread that has ended by the second reading counts too.
    let work = std::thread::spawn(|| {
        let start = Instant::now();
        let mut sum = 0_u64;
        while start.elapsed() < Duration::from_millis(500) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        std::thread::sleep(Duration::from_millis(5));
        std::hint::black_box(vec![1_u8; 16 << 20]).len()
    });
    assert_eq!(work.join().unwrap(), 16 << 20);
    let noise = Noise::between(&first, &Reading::now());
    println!("{noise:#?}");
    for warning in warnings(&noise, 1) {
        println!("{}", warning.text);
    }
    let own = noise.own_user_s.unwrap() + noise.own_system_s.unwrap();
    // Half a second less what others took, and what other tests did meanwhile.
    assert!(own > 0.05, "{noise:?}");
    assert!(noise.voluntary_switches.unwrap() >= 2, "{noise:?}");
    assert!(noise.minor_faults.unwrap() >= 100, "{noise:?}");
    assert!(noise.busy_cores.is_none_or(|busy| busy > 0.0), "{noise:?}");
    assert!(
        noise
            .steal_share
            .is_none_or(|share| (0.0..=1.0).contains(&share)),
        "{noise:?}"
    );
}
