#!/bin/bash
# Judge a data set on eight machines, then put the shards together:
#
#   mkdir -p logs && sbatch deploy/slurm.sh my.yaml data/big.parquet runs/big
#
# Each task judges its shard into OUT/shards/I; the last job merges them into OUT/all. A task that is
# preempted or fails is run again by `sbatch --array=I`: it goes on where it stopped; then merge by hand.
#SBATCH --job-name=judge
#SBATCH --array=0-7
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --output=logs/%x-%A-%a.log
set -euo pipefail

config=$1 data=$2 out=$3
count=8 # as in --array above; not SLURM_ARRAY_TASK_COUNT, which is 1 when one task is run again
index=${SLURM_ARRAY_TASK_ID:?run this with sbatch}

if [ "$index" = 0 ] && [ "${SLURM_RESTART_COUNT:-0}" = 0 ]; then
  shards=(); for ((i = 0; i < count; i++)); do shards[i]="$out/shards/$i"; done
  sbatch --job-name=judge-merge --dependency="afterok:$SLURM_ARRAY_JOB_ID" --output=logs/%x-%j.log \
    --wrap="judge merge $out/all ${shards[*]}"
fi

# TERM comes two minutes before the time limit: the run stops cleanly, and is queued again to go on.
judge run "$config" --data "$data" --shard "$index/$count" --output "$out/shards/$index" &
trap 'kill -TERM $! && wait $! || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$index"' TERM
wait $!
