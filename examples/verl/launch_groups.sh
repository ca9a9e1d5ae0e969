#!/usr/bin/env bash
# GRPO in verl with a tournament among the responses to each prompt as the reward. The data set needs no column for it. First, beside it:
#   judge serve judge.yaml --set recipe=pairwise --set group.schedule=swiss --set on_no_verdict=group_mean
# Data, model and the rest of verl's settings are yours: ./launch_groups.sh data.train_files=... actor_rollout_ref.rollout.n=8
set -euo pipefail
python3 -m verl.trainer.main_ppo \
  algorithm.adv_estimator=grpo \
  reward.reward_manager.source=importlib \
  reward.reward_manager.name=JudgeRewardManager \
  reward.reward_manager.module.path=pkg://judge.adapters.verl_manager \
  +reward.reward_kwargs.server="${JUDGE_SERVER:-http://127.0.0.1:8421}" \
  actor_rollout_ref.rollout.val_kwargs.n=4 \
  "$@"
