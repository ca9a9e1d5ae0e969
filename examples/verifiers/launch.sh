#!/usr/bin/env bash
# verifiers 0.4 (and prime-rl): adds the reward to any command that takes --env options. Give the command itself:
#   ./launch.sh uv run eval --env.taskset.id my-taskset
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export JUDGE_CONFIG="$here/judge.yaml"
judge preflight "$JUDGE_CONFIG" --framework verifiers
"$@" --env.taskset.task.rewards.judge.fn judge.adapters.verifiers:reward
