#!/usr/bin/env bash
# A run of spanbench as a Slurm job array: a task a shard. See README.md beside this file.
#
#   export RESULTS=/scratch/$USER/squad      # on a file system that all nodes see
#   array=$(sbatch --parsable --array=1-8 slurm-array.sh --model M --dataset D)
#   sbatch --dependency=afterany:$array --wrap "spanbench merge '$RESULTS'/shard-* --out '$RESULTS/merged'"
#
# What follows the script's name goes to `spanbench run`. Everything below can be overridden on
# sbatch's command line.
#SBATCH --job-name=spanbench
#SBATCH --array=1-8
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log
set -euo pipefail

: "${SLURM_ARRAY_TASK_ID:?submit this script with sbatch --array=1-N}"
: "${RESULTS:?export RESULTS, a folder on a file system that all nodes see}"
spanbench=${SPANBENCH:-spanbench}

# An array of some tasks only, such as --array=3,5 to run failed ones again, does not know how many
# there were: SHARDS tells, of an array that was numbered from 1.
shard=${SHARDS:+$SLURM_ARRAY_TASK_ID/$SHARDS}
shard=${shard:-auto}

# Small files of the moment belong on the node's own disk, the hub's cache where all nodes see it.
export TMPDIR=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}
export HF_HOME=${HF_HOME:-$HOME/.cache/huggingface}

# Since Slurm 22.05 srun takes no notice of the job's --cpus-per-task.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}

echo "task $SLURM_ARRAY_TASK_ID on $(hostname), restart ${SLURM_RESTART_COUNT:-0}, shard $shard"

# --resume: a task that was requeued after its shard was finished has nothing left to do, and one
# that was killed on the way goes on after the repetitions that are done.
# --offline: compute nodes often have no network, and the tasks are not to ask the hub all at once.
exec srun --ntasks=1 "$spanbench" run "$@" \
    --shard "$shard" \
    --threads "$SRUN_CPUS_PER_TASK" \
    --out "$RESULTS/shard-$SLURM_ARRAY_TASK_ID" \
    --resume --offline
