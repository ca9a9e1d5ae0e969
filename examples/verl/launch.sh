#!/usr/bin/env bash
# GRPO in verl with judge.yaml as the reward. Data, model and the rest of verl's settings are yours: ./launch.sh data.train_files=...
# The data set needs extra_info.question (text or messages); check with
#   judge preflight judge.yaml --framework verl --data train.parquet
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python3 -m verl.trainer.main_ppo \
  algorithm.adv_estimator=grpo \
  reward.custom_reward_function.path=pkg://judge.adapters.verl \
  reward.custom_reward_function.name=compute_score \
  +reward.custom_reward_function.reward_kwargs.config="$here/judge.yaml" \
  +reward.custom_reward_function.reward_kwargs.question=question \
  "$@"
