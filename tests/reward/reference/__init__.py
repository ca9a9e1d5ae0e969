"""Second implementations, written from the source in plain loops, and compared with the project's own on random and edge inputs.

Each names its paper, section or official file; where the source could not be read, it says so and what it was written from. None
of them imports what it checks.
"""
