#!/usr/bin/env bash
# GRPO in OpenRLHF with judge.yaml as the reward; the rest of OpenRLHF's options are yours: ./launch.sh --data.prompt_dataset ...
# Started as a Ray job, JUDGE_CONFIG belongs into runtime_env.env_vars, so that the rollout workers see it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export JUDGE_CONFIG="$here/judge.yaml"
judge preflight --framework openrlhf --config "$JUDGE_CONFIG"
reward=$(python3 -c 'import judge.adapters.openrlhf as door; print(door.__file__)')
python3 -m openrlhf.cli.train_ppo_ray --reward.remote_url "$reward" "$@"
