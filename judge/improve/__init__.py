"""Rubrics and prompts tried on labels, and bettered: validate, select, refine, optimize."""
