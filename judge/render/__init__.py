"""Rubric + sample + template -> request."""
