"""Programmatic criteria: facts about a response that need no judge."""
