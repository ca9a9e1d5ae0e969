"""Does the reward move when the meaning moves, and only then?

    data -> cases -> trials (probe x case) -> rewards before and after -> figures -> table, JSON, page

- A judge can be perfectly steady because it is blind, and perfectly sensitive because it is random. So invariance and
  sensitivity are measured on the same items and always printed side by side.
- A judge that fails is neither steady nor moved: those trials are counted on their own (`unscored`).
- Nothing here attacks: no text speaks to the judge. Attacks are in `judge.attack`.
"""
