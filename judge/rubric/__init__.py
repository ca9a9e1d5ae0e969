"""YAML -> Rubric: what to judge by."""
