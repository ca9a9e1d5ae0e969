"""Figures of a run or of training steps, sent to W&B, MLflow or trackio, or written as an Inspect log."""
