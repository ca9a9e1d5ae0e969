#!/usr/bin/env bash
# GRPO in OpenRLHF with judge.yaml as the reward; the rest of OpenRLHF's options are yours: ./launch.sh --data.prompt_dataset ...
# FORM=agent judges all responses to a prompt together: for tournaments, and for `on_no_verdict: group_mean` in judge.yaml.
# Started as a Ray job, JUDGE_CONFIG belongs into runtime_env.env_vars, so that the rollout workers see it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export JUDGE_CONFIG="$here/judge.yaml"
adapters=$(python3 -c 'import judge.adapters as m; print(m.__path__[0])')
case ${FORM:-file} in
  file) framework=openrlhf reward=(--reward.remote_url "$adapters/openrlhf.py") ;;
  agent) framework=openrlhf-agent reward=(--train.agent_func_path "$adapters/openrlhf_agent.py") ;;
esac
judge preflight "$JUDGE_CONFIG" --framework "$framework"
python3 -m openrlhf.cli.train_ppo_ray "${reward[@]}" "$@"
