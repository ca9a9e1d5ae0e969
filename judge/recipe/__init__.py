"""Folder -> Recipe: how to judge."""
