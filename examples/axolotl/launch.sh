#!/usr/bin/env bash
# GRPO in Axolotl with judge.yaml as the reward: ./launch.sh [run.yaml]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export JUDGE_CONFIG="$here/judge.yaml"
export JUDGE_NUM_GENERATIONS=8   # trl.num_generations of run.yaml
judge preflight "$JUDGE_CONFIG" --framework axolotl --num-generations "$JUDGE_NUM_GENERATIONS"
axolotl train "${1:-$here/run.yaml}"
