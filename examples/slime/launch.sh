#!/usr/bin/env bash
# GRPO in slime with judge.yaml as the reward, whole groups at once; the rest of slime's options are yours: ./launch.sh --prompt-data ...
# Started as a Ray job, JUDGE_CONFIG belongs into runtime_env.env_vars, so that the rollout workers see it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export JUDGE_CONFIG="$here/judge.yaml"
judge preflight "$JUDGE_CONFIG" --framework slime-group
python3 train.py --group-rm --custom-rm-path judge.adapters.slime.custom_group_rm "$@"
