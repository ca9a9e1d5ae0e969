"""GRPO against a judge that can be bought: `python -m examples.grpo_proof`. What came out: `docs/grpo.md`."""
