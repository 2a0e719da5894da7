//! `--shard`, and which shard a task of a job array is.

use clap::Args;
use spanbench::dataset::Shard;

use super::terminal;

/// Which part of the selected questions is asked.
#[derive(Debug, Args)]
pub struct ShardArguments {
    /// Only shard I of N, I from 1: a part of the selected questions; `spanbench merge` makes one record of all N. auto
    /// takes I and N from the job array of Slurm or the Indexed Job of Kubernetes that this is a task of
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<ShardChoice>,
}

impl ShardArguments {
    /// The shard; where the environment chooses it, that is told.
    pub fn shard(&self) -> anyhow::Result<Option<Shard>> {
        match self.shard {
            None => Ok(None),
            Some(ShardChoice::Given(shard)) => Ok(Some(shard)),
            Some(ShardChoice::Auto) => {
                let (shard, note) = from_environment(|name| std::env::var(name).ok())?;
                terminal::note(&note);
                Ok(Some(shard))
            }
        }
    }
}

/// A shard as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShardChoice {
    /// By its numbers.
    Given(Shard),
    /// By the scheduler's variables.
    Auto,
}

/// `auto` or `I/N`.
fn shard(text: &str) -> Result<ShardChoice, String> {
    if text == "auto" {
        return Ok(ShardChoice::Auto);
    }
    let shard: Result<Shard, _> = text.parse();
    shard
        .map(ShardChoice::Given)
        .map_err(|fault| format!("{fault}; or auto, in a job array"))
}

/// The shard that the environment tells, with a line that says how.
///
/// Slurm numbers the tasks of an array as it was asked to, from `SLURM_ARRAY_TASK_MIN` in steps of
/// `SLURM_ARRAY_TASK_STEP`; Kubernetes numbers those of an Indexed Job from 0
/// (`JOB_COMPLETION_INDEX`) and does not say how many there are: `JOB_COMPLETIONS` is for the
/// manifest to set. `variable` reads one.
fn from_environment(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<(Shard, String)> {
    let number = |name: &str| -> anyhow::Result<usize> {
        let Some(text) = variable(name) else {
            anyhow::bail!("--shard auto: {name} is not set; write --shard I/N");
        };
        text.parse().map_err(|_| {
            anyhow::anyhow!("--shard auto: {name} is {text:?} and no number; write --shard I/N")
        })
    };
    let is_set = |name| variable(name).is_some();
    match (
        is_set("SLURM_ARRAY_TASK_ID"),
        is_set("JOB_COMPLETION_INDEX"),
    ) {
        (true, false) => slurm(number),
        (false, true) => kubernetes(number),
        (true, true) => anyhow::bail!(
            "--shard auto: SLURM_ARRAY_TASK_ID and JOB_COMPLETION_INDEX are both set; write --shard I/N"
        ),
        (false, false) => anyhow::bail!(
            "--shard auto: this is no task of a job array, neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; write --shard I/N"
        ),
    }
}

fn slurm(number: impl Fn(&str) -> anyhow::Result<usize>) -> anyhow::Result<(Shard, String)> {
    let id = number("SLURM_ARRAY_TASK_ID")?;
    let count = number("SLURM_ARRAY_TASK_COUNT")?;
    let least = number("SLURM_ARRAY_TASK_MIN")?;
    let most = number("SLURM_ARRAY_TASK_MAX")?;
    let step = number("SLURM_ARRAY_TASK_STEP")?.max(1);
    let array = format!("{least}-{most}:{step}");
    // sbatch --array=3 to run one task again makes an array of one, which knows nothing of the
    // other shards.
    if count == 1 {
        anyhow::bail!(
            "--shard auto: the array has one task, as one has that runs a task of another again; write --shard I/N with that other's N"
        );
    }
    if least > 1 {
        anyhow::bail!(
            "--shard auto: the array begins at {least}, as one does that runs some tasks of another again; write --shard I/N with that other's N, or number the array from 0 or 1"
        );
    }
    let offset = id.checked_sub(least).filter(|offset| offset % step == 0);
    let width = most.checked_sub(least).map(|width| width / step);
    let whole = width.and_then(|width| width.checked_add(1)) == Some(count);
    match offset {
        Some(offset) if whole && offset / step < count => {
            let shard = Shard::new(offset / step + 1, count)?;
            Ok((
                shard,
                format!("shard {shard}: task {id} of the array {array} (SLURM_ARRAY_TASK_ID)"),
            ))
        }
        _ => anyhow::bail!(
            "--shard auto: task {id} of {count} has no place in the array {array}, which is no regular range; write --shard I/N"
        ),
    }
}

fn kubernetes(number: impl Fn(&str) -> anyhow::Result<usize>) -> anyhow::Result<(Shard, String)> {
    let index = number("JOB_COMPLETION_INDEX")?;
    let completions = number("JOB_COMPLETIONS").map_err(|fault| {
        fault.context("Kubernetes does not say how many completions a job has, so its manifest must: env JOB_COMPLETIONS, the same as spec.completions")
    })?;
    if index >= completions {
        anyhow::bail!(
            "--shard auto: JOB_COMPLETION_INDEX is {index}, and of JOB_COMPLETIONS={completions} the last is {}; set it to spec.completions",
            completions.saturating_sub(1)
        );
    }
    let shard = Shard::new(index + 1, completions)?;
    Ok((
        shard,
        format!(
            "shard {shard}: completion index {index} of {completions} (JOB_COMPLETION_INDEX, JOB_COMPLETIONS)"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard_of(variables: &[(&str, &str)]) -> anyhow::Result<String> {
        let found = from_environment(|name| {
            let variable = variables.iter().find(|(known, _)| *known == name);
            variable.map(|(_, value)| (*value).to_owned())
        });
        found.map(|(shard, _)| shard.to_string())
    }

    fn slurm(id: &str, count: &str, min: &str, max: &str, step: &str) -> anyhow::Result<String> {
        shard_of(&[
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_COUNT", count),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_MAX", max),
            ("SLURM_ARRAY_TASK_STEP", step),
        ])
    }

    // The values are those that slurm 22.05 sets for --array=1-8, 0-7, 0-6:2, 1,3,5,7, 1,2,9, 3.
    #[test]
    fn tasks_of_slurm_are_shards() {
        assert_eq!(slurm("1", "8", "1", "8", "1").unwrap(), "1/8");
        assert_eq!(slurm("8", "8", "1", "8", "1").unwrap(), "8/8");
        assert_eq!(slurm("0", "8", "0", "7", "1").unwrap(), "1/8");
        assert_eq!(slurm("6", "4", "0", "6", "2").unwrap(), "4/4");
        for (id, count, max) in [("1", "4", "7"), ("7", "4", "7"), ("2", "3", "9")] {
            let said = slurm(id, count, "1", max, "1").unwrap_err().to_string();
            assert!(said.contains("no regular range"), "{said}");
        }
        let said = slurm("3", "2", "3", "4", "1").unwrap_err().to_string();
        assert!(said.contains("begins at 3"), "{said}");
        for id in ["0", "1", "3"] {
            let said = slurm(id, "1", id, id, "1").unwrap_err().to_string();
            assert!(said.contains("one task"), "{said}");
        }
        assert!(slurm("x", "8", "1", "8", "1").is_err());
        assert!(slurm("1", "0", "1", "0", "1").is_err());
        let most = usize::MAX.to_string();
        assert!(slurm(&most, &most, "0", &most, "1").is_err());
    }

    #[test]
    fn indices_of_kubernetes_are_shards() {
        let job = |index, completions| {
            shard_of(&[
                ("JOB_COMPLETION_INDEX", index),
                ("JOB_COMPLETIONS", completions),
            ])
        };
        assert_eq!(job("0", "8").unwrap(), "1/8");
        assert_eq!(job("7", "8").unwrap(), "8/8");
        assert!(
            job("8", "8")
                .unwrap_err()
                .to_string()
                .contains("the last is 7")
        );
        let said = shard_of(&[("JOB_COMPLETION_INDEX", "0")]).unwrap_err();
        assert!(said.to_string().contains("JOB_COMPLETIONS"), "{said}");
    }

    #[test]
    fn where_nothing_tells_it_is_said() {
        let said = shard_of(&[]).unwrap_err().to_string();
        assert!(said.contains("--shard I/N"), "{said}");
        let both = [("SLURM_ARRAY_TASK_ID", "1"), ("JOB_COMPLETION_INDEX", "0")];
        assert!(shard_of(&both).unwrap_err().to_string().contains("both"));
    }
}
