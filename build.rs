//! Notes how the program is built, for the environment part of every record, and has the kernels of the
//! CUDA form compiled where that is built.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Libraries whose version can change a figure.
const LIBRARIES: [&str; 5] = ["candle-core", "candle-nn", "gemm", "pulp", "tokenizers"];

/// What the program is made of: where one of these has changed, it is no longer the commit's.
const INPUTS: [&str; 6] = [
    "build.rs",
    "src",
    "Cargo.toml",
    "Cargo.lock",
    "models",
    "benchmarks",
];

fn main() {
    write_cards("models/cards", "cards.rs");
    write_cards("benchmarks/cards", "dataset_cards.rs");
    write_cards("benchmarks/suites", "suites.rs");
    for name in INPUTS {
        println!("cargo::rerun-if-changed={name}");
    }
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        compile_kernels();
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let set = |name: &str, value: &str| println!("cargo::rustc-env=SPANBENCH_{name}={value}");
    let compiler = output(Command::new(variable("RUSTC")).arg("--version"));
    set(
        "COMPILER",
        &compiler.unwrap_or_else(|| "unknown".to_owned()),
    );
    set("TARGET", &variable("TARGET"));
    set(
        "TARGET_CPU",
        &target_cpu(&variable("CARGO_ENCODED_RUSTFLAGS")),
    );
    set("PROFILE", &variable("PROFILE"));
    set("OPT_LEVEL", &variable("OPT_LEVEL"));
    set(
        "FEATURES",
        &variable("CARGO_CFG_FEATURE").replace("default", ""),
    );
    if let Some(revision) = revision() {
        set("REVISION", &revision);
    }
    if let Ok(lock) = std::fs::read_to_string("Cargo.lock") {
        set("LIBRARIES", &libraries(&lock));
    }
}

/// Writes the list of a folder's cards, which the program includes with their texts.
fn write_cards(folder: &str, list_name: &str) {
    let here = std::env::current_dir().expect("the package's folder");
    let entries = std::fs::read_dir(here.join(folder)).expect("the cards can be listed");
    let paths = entries.map(|entry| entry.expect("the cards can be listed").path());
    let mut cards: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    cards.sort();
    let lines = cards.iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let path = path.display().to_string();
        format!("    ({name:?}, include_str!({path:?})),\n")
    });
    let list = format!("&[\n{}]\n", lines.collect::<String>());
    let out = std::env::var("OUT_DIR").expect("cargo says where to write");
    std::fs::write(Path::new(&out).join(list_name), list).expect("OUT_DIR can be written");
}

/// Compiles the CUDA form's kernels to `kernels.ptx`, for every card from compute capability 8.0 on.
fn compile_kernels() {
    println!("cargo::rerun-if-env-changed=NVCC");
    let compiler = cuda_compiler();
    let out = std::env::var("OUT_DIR").expect("cargo says where to write");
    let mut command = Command::new(&compiler);
    command.args(["--ptx", "-O3", "-std=c++17", "-arch=compute_80"]);
    command.arg("--output-directory").arg(&out);
    let ended = command.arg("src/ops/cuda/kernels/kernels.cu").output();
    let said = match ended {
        Ok(ended) if ended.status.success() => return,
        Ok(ended) => String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned(),
        Err(fault) => fault.to_string(),
    };
    let compiler = compiler.display();
    panic!("--features cuda: {compiler} (name another in NVCC) cannot compile the kernels: {said}");
}

/// `NVCC`, that of the toolkit in `CUDA_HOME`, `CUDA_PATH` or its usual place, or the one in `PATH`.
fn cuda_compiler() -> PathBuf {
    if let Some(named) = std::env::var_os("NVCC") {
        return named.into();
    }
    let toolkits = ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(std::env::var_os);
    let usual = toolkits
        .map(PathBuf::from)
        .chain(["/usr/local/cuda".into()]);
    let mut compilers = usual.map(|toolkit| toolkit.join("bin/nvcc"));
    let found = compilers.find(|compiler| compiler.exists());
    found.unwrap_or_else(|| "nvcc".into())
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned())
}

/// The value of `-C target-cpu=…` among the flags, which are separated by U+001F.
fn target_cpu(flags: &str) -> String {
    let mut found = flags.split('\u{1f}').filter_map(|flag| {
        let flag = flag.strip_prefix("-C").unwrap_or(flag);
        flag.strip_prefix("target-cpu=")
    });
    // The last one counts.
    found.next_back().unwrap_or("generic").to_owned()
}

/// The commit that is checked out, if this is a checkout of this very package.
fn revision() -> Option<String> {
    let git = |arguments: &[&str]| output(Command::new("git").args(arguments));
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = std::env::current_dir().ok()?.canonicalize().ok()?;
    if Path::new(&top).canonicalize().ok()? != here {
        return None;
    }
    // Not the index: it changes with every `git status`, and what is staged is no other program.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let status = ["--no-optional-locks", "status", "--porcelain", "--"];
    let changed = git(&[&status, &INPUTS[..]].concat())?;
    Some(if changed.is_empty() {
        commit
    } else {
        format!("{commit}-dirty")
    })
}

/// `name version` of each of [`LIBRARIES`] in a Cargo.lock.
fn libraries(lock: &str) -> String {
    let mut found = Vec::new();
    let mut name = "";
    for line in lock.lines() {
        let value = |key: &str| line.strip_prefix(key)?.trim_matches('"').into();
        if let Some(value) = value("name = ") {
            name = value;
        } else if let Some(version) = value("version = ").filter(|_| LIBRARIES.contains(&name)) {
            found.push(format!("{name} {version}"));
        }
    }
    found.join(", ")
}
