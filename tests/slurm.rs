//! The job array of benchmarks/cluster/ on a real Slurm, whose daemons run here on loopback for as
//! long as the test does. `scripts/install-test-tools` installs it; without it the test is skipped.
#![cfg(target_os = "linux")]

mod support;

use std::fmt::Write;
use std::fs::{File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::program::{read, spanbench, text};
use support::{project, skipped};

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_mins(5);

/// What `run` is asked for: long enough on the clock that a task can be killed in the middle.
const OPTIONS: &str = "--limit 24 --min-duration 3s";

/// A program of Slurm or munge, which a user's path may lack.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut paths = folders.map(|folder| folder.join(name));
    paths.find(|path| path.is_file())
}

/// Calls it again and again until it gives something.
fn wait<T>(what: &str, cluster: &Cluster, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{what} did not come\n{}",
            cluster.logs()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// munged, slurmctld and slurmd, with all their files in a folder that goes away with them.
struct Cluster {
    home: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    /// Nothing, with a message, where Slurm is not installed.
    fn start() -> Option<Self> {
        for name in ["munged", "slurmctld", "slurmd", "sbatch", "srun"] {
            if program(name).is_none() {
                skipped(&format!(
                    "{name} is not here; scripts/install-test-tools installs Slurm"
                ));
                return None;
            }
        }
        let home = tempfile::tempdir().unwrap();
        let mut cluster = Self {
            home,
            daemons: Vec::new(),
        };
        let path = cluster.path("");
        // munged asks that others can come to its socket.
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        for folder in ["state", "spool", "log"] {
            std::fs::create_dir(cluster.path(folder)).unwrap();
        }
        let mut key = std::fs::read("/proc/sys/kernel/random/uuid").unwrap();
        key.extend_from_within(..);
        std::fs::write(cluster.path("munge.key"), key).unwrap();
        std::fs::set_permissions(cluster.path("munge.key"), Permissions::from_mode(0o400)).unwrap();
        std::fs::write(cluster.path("slurm.conf"), cluster.configuration()).unwrap();
        let munge = |name: &str, file: &str| format!("--{name}={}", cluster.path(file).display());
        let munge = [
            munge("key-file", "munge.key"),
            munge("socket", "munge.socket"),
            munge("pid-file", "munge.pid"),
            munge("seed-file", "munge.seed"),
            munge("log-file", "log/munged"),
            "--foreground".to_owned(),
            "--force".to_owned(),
        ];
        cluster.daemon("munged", &munge);
        wait("munge's socket", &cluster, || {
            let socket = cluster.path("munge.socket");
            socket.exists().then_some(())
        });
        cluster.daemon("slurmctld", &["-D".to_owned()]);
        cluster.daemon("slurmd", &["-D".to_owned()]);
        wait("an idle node", &cluster, || {
            let nodes = cluster.ask("sinfo", &["--noheader", "--format=%T"]);
            (nodes.trim() == "idle").then_some(())
        });
        Some(cluster)
    }

    /// Two processors, whatever there are, and no control groups.
    fn configuration(&self) -> String {
        let run = |name: &str, argument: &str| {
            let output = Command::new(name).arg(argument).output().unwrap();
            text(&output.stdout).trim().to_owned()
        };
        let (host, user) = (run("hostname", "-s"), run("id", "-un"));
        let [controller, node] = [(), ()].map(|()| {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        });
        let home = self.path("");
        let home = home.display().to_string();
        let home = home.trim_end_matches('/');
        let mut text = String::new();
        for line in [
            "ClusterName=loopback",
            &format!("SlurmctldHost={host}(127.0.0.1)"),
            &format!("SlurmctldPort={controller}"),
            &format!("SlurmdPort={node}"),
            &format!("SlurmUser={user}"),
            &format!("SlurmdUser={user}"),
            "AuthType=auth/munge",
            "CredType=cred/munge",
            &format!("AuthInfo=socket={home}/munge.socket"),
            &format!("StateSaveLocation={home}/state"),
            &format!("SlurmdSpoolDir={home}/spool"),
            &format!("SlurmctldPidFile={home}/slurmctld.pid"),
            &format!("SlurmdPidFile={home}/slurmd.pid"),
            &format!("SlurmctldLogFile={home}/log/slurmctld"),
            &format!("SlurmdLogFile={home}/log/slurmd"),
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SwitchType=switch/none",
            "MpiDefault=none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU",
            "JobAcctGatherType=jobacct_gather/none",
            "AccountingStorageType=accounting_storage/none",
            // The node has two processors also where the machine has one.
            "SlurmdParameters=config_overrides",
            "KillWait=2",
            // Tasks whose program was killed by SIGKILL are queued again, as where memory ran out.
            "RequeueExit=137",
            &format!("NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN"),
            "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        ] {
            writeln!(text, "{line}").unwrap();
        }
        text
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A command that knows this cluster, and nothing of one that the test itself may run on.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name).unwrap());
        let others = std::env::vars_os().map(|(name, _)| name);
        let others = others.filter(|name| {
            let name = name.to_string_lossy();
            ["SLURM", "SBATCH", "SRUN"]
                .iter()
                .any(|known| name.starts_with(known))
        });
        others.for_each(|name| {
            command.env_remove(name);
        });
        command.current_dir(self.home.path());
        command.env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    fn daemon(&mut self, name: &str, arguments: &[String]) {
        let output = File::create(self.path("log").join(format!("{name}.output"))).unwrap();
        let mut command = self.command(name);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output);
        self.daemons.push(command.spawn().unwrap());
    }

    /// What a command of Slurm prints; nothing where it fails.
    fn ask(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name).args(arguments).output().unwrap();
        text(&output.stdout)
    }

    fn tell(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name).args(arguments).output().unwrap();
        let errors = text(&output.stderr);
        assert!(output.status.success(), "{name} {arguments:?}: {errors}");
        text(&output.stdout).trim().to_owned()
    }

    /// A field of a job, such as `JobState`.
    fn field(&self, job: &str, name: &str) -> String {
        let line = self.ask("scontrol", &["show", "job", "--oneliner", job]);
        let mut fields = line.split_whitespace();
        let field = fields.find_map(|field| field.strip_prefix(&format!("{name}=")));
        field.unwrap_or_default().to_owned()
    }

    /// All that was written down, for a test that failed.
    fn logs(&self) -> String {
        let mut logs = self.ask("squeue", &["--array", "--long"]);
        let folders = [self.path("log"), self.path("")];
        for entry in folders
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        {
            let path = entry.unwrap().path();
            let is_log =
                path.starts_with(self.path("log")) || path.extension() == Some("log".as_ref());
            if is_log && let Ok(log) = std::fs::read_to_string(&path) {
                let lines: Vec<&str> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(30)..];
                logs += &format!("== {}\n{}\n", path.display(), last.join("\n"));
            }
        }
        logs
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.daemons.len() == 3 {
            let jobs = self.ask("squeue", &["--noheader", "--array", "--format=%i"]);
            for job in jobs.split_whitespace() {
                self.ask("scancel", &["--full", job]);
            }
            let began = Instant::now();
            let is_busy = || !self.ask("squeue", &["--noheader"]).trim().is_empty();
            while is_busy() && began.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        // The controller ends its node too, and both the processes that they have started.
        self.ask("scontrol", &["shutdown"]);
        let began = Instant::now();
        for daemon in self.daemons.iter_mut().skip(1) {
            while matches!(daemon.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(10)
            {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// The files of a folder; none where there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names.collect()
}

/// Submits the array of four and, as its README says, the job that merges: their numbers.
fn submit(cluster: &Cluster, results: &Path) -> (String, String) {
    let program = env!("CARGO_BIN_EXE_spanbench");
    let array = cluster
        .command("sbatch")
        .env("RESULTS", results)
        .env("SPANBENCH", program)
        .env("HF_HOME", cluster.path("hf"))
        .args(["--parsable", "--array=1-4", "--time=10"])
        .args(["--cpus-per-task=1", "--mem=0"])
        .arg(project("benchmarks/cluster/slurm-array.sh"))
        .args(OPTIONS.split(' '))
        .output()
        .unwrap();
    assert!(array.status.success(), "{}", text(&array.stderr));
    let array = text(&array.stdout).trim().to_owned();
    let results = results.display();
    let merge = [
        "--parsable",
        &format!("--dependency=afterany:{array}"),
        "--output=merge.log",
        "--wrap",
        &format!("'{program}' merge '{results}'/shard-* --out '{results}/merged'"),
    ];
    let merge = cluster.tell("sbatch", &merge);
    (array, merge)
}

/// The processes of this build's program that a task of this cluster runs.
fn processes(cluster: &Cluster, task: usize) -> Vec<String> {
    let own = [
        format!("SLURM_CONF={}", cluster.path("slurm.conf").display()),
        format!("SLURM_ARRAY_TASK_ID={task}"),
    ];
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_own = |process: &Path| {
        let variables = std::fs::read(process.join("environ")).unwrap_or_default();
        let program = std::fs::read_link(process.join("exe")).unwrap_or_default();
        let has = |own: &String| {
            variables
                .split(|byte| *byte == 0)
                .any(|v| v == own.as_bytes())
        };
        program == Path::new(env!("CARGO_BIN_EXE_spanbench")) && own.iter().all(has)
    };
    let entries = entries.filter(|entry| is_own(&entry.path()));
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names.collect()
}

/// How a task ends in the middle.
#[derive(Clone, Copy)]
enum End {
    /// All of its processes are killed, as by the system when memory runs out.
    Killed,
    /// Slurm takes its place away, as for a job that goes first.
    Requeued,
}

/// Ends a task in the middle, and waits until it is in the queue again.
fn end(cluster: &Cluster, array: &str, task: usize, folder: &Path, how: End) {
    let job = format!("{array}_{task}");
    wait(&format!("the folder of task {task}"), cluster, || {
        let state = cluster.field(&job, "JobState");
        assert_ne!(state, "FAILED", "{}", cluster.logs());
        folder.exists().then_some(())
    });
    // It computes by then.
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        !folder.join("run.json").exists(),
        "task {task} was too quick"
    );
    match how {
        End::Requeued => {
            cluster.tell("scontrol", &["requeue", &job]);
        }
        End::Killed => {
            let processes = processes(cluster, task);
            // The run, and the process of its cell.
            assert_eq!(processes.len(), 2, "{}", cluster.logs());
            let killed = Command::new("kill").arg("-KILL").args(processes).status();
            assert!(killed.unwrap().success());
        }
    }
    wait(&format!("task {task} in the queue again"), cluster, || {
        let is_again = cluster.field(&job, "Restarts") == "1";
        (is_again && cluster.field(&job, "JobState") == "PENDING").then_some(())
    });
    // Nothing is there that merging or reading could take for a result.
    let left = names(folder);
    assert!(left.iter().all(|name| name.starts_with('.')), "{left:?}");
    // Slurm would wait for two minutes.
    let job = format!("JobId={job}");
    cluster.tell("scontrol", &["update", &job, "StartTime=now"]);
}

#[test]
fn a_job_array_with_tasks_killed_and_requeued_is_the_single_run() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let home = cluster.home.path();
    let results = home.join("results");
    let (array, merge) = submit(&cluster, &results);
    for (task, how) in [(2, End::Killed), (3, End::Requeued)] {
        let folder = results.join(format!("shard-{task}"));
        end(&cluster, &array, task, &folder, how);
    }
    let state = wait("the merged record", &cluster, || {
        let state = cluster.field(&merge, "JobState");
        (!["PENDING", "RUNNING", "COMPLETING"].contains(&state.as_str())).then_some(state)
    });
    assert_eq!(state, "COMPLETED", "{}", cluster.logs());
    for task in 1..=4 {
        let log = home.join(format!("spanbench-{array}_{task}.log"));
        let log = std::fs::read_to_string(log).unwrap();
        assert_eq!(log.contains("restart 1"), [2, 3].contains(&task), "{log}");
        let told = format!("shard {task}/4: task {task} of the array 1-4:1");
        assert!(log.contains(&told), "{log}");
    }
    let single = home.join("single");
    let mut run = spanbench(home);
    run.args(["run", "--threads", "1"])
        .args(OPTIONS.split(' '))
        .arg("--out")
        .arg(&single);
    assert!(run.output().unwrap().status.success());
    let merged = results.join("merged");
    for name in ["predictions.json", "null_odds.json"] {
        let bytes = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(bytes(&single) == bytes(&merged), "{name} differs");
    }
    let (single, merged) = (
        read(&single.join("run.json")),
        read(&merged.join("run.json")),
    );
    for field in ["accuracy", "analysis", "dataset", "model", "protocol"] {
        assert_eq!(single[field], merged[field], "{field}");
    }
    assert_eq!(merged["shards"].as_array().unwrap().len(), 4);
}
