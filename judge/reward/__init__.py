"""Votes and criteria -> one number."""
