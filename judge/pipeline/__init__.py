"""Samples -> rewards: the stages, composed. `Judge` is the public face."""
