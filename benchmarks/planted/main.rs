//! A program that runs cells with a fault planted into the model, for `spanbench run
//! --cell-program`: what the harness does not find here it would not find elsewhere.
//!
//! ```sh
//! cargo build --release --example planted
//! SPANBENCH_PLANT=slow=1.10 spanbench run --cell-program target/release/examples/planted
//! ```

mod fault;

use std::path::Path;
use std::process::ExitCode;

use fault::Planted;
use spanbench::cell::child;
use spanbench::cell::isolate::COMMAND;
use spanbench::models;

/// Whether the job's cell is one that the fault is planted in: all are, unless [`WHERE`] says
/// what their names contain.
fn is_planted(job: &str) -> bool {
    let Ok(part) = std::env::var(WHERE) else {
        return true;
    };
    let text = std::fs::read_to_string(job).expect("the job");
    let job: child::WireJob = serde_json::from_str(&text).expect("a job");
    job.job.spec.name.contains(&part)
}

/// The environment variable that says in which cells the fault is planted.
const WHERE: &str = "SPANBENCH_PLANT_IN";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, job] = arguments.as_slice() else {
        eprintln!("usage: spanbench run --cell-program PATH-OF-THIS-PROGRAM");
        return ExitCode::from(2);
    };
    assert_eq!(command, COMMAND);
    let planted = is_planted(job);
    let done = child::serve(
        Path::new(job),
        &|files, device, precision, form| {
            let model = models::load(files, device, precision, form)?;
            Ok(Box::new(Planted::new(model, planted)))
        },
        std::io::stdout(),
    );
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}
