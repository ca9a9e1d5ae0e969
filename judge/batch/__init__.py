"""Data set in, rewards out."""
