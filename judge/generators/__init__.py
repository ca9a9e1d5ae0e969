"""Rubrics from prompts, references and preference pairs."""
