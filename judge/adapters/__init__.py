"""Trainers' reward functions: thin integrations that map a framework's arguments to samples, and rewards to what it returns."""
