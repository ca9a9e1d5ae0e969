"""Makes `--reward_funcs judge` known to ms-swift: the reward of the run file that JUDGE_CONFIG names."""

from judge.adapters.swift import register

register("judge")
