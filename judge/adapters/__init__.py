"""Trainers' reward functions: thin doors that map a framework's arguments to samples, and rewards to what it returns."""
