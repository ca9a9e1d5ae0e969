#!/usr/bin/env bash
# GRPO in ms-swift with judge.yaml as the reward; model, data and the rest are yours: ./launch.sh --model ... --dataset ...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export JUDGE_CONFIG="$here/judge.yaml"
judge preflight "$JUDGE_CONFIG" --framework ms-swift --num-generations 8
swift rlhf --rlhf_type grpo --num_generations 8 --external_plugins "$here/plugin.py" --reward_funcs judge "$@"
