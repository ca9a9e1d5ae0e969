"""Prompts, references and preference pairs -> rubrics."""
