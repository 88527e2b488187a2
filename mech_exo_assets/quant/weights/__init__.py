"""Factor weights found by a search, and how much of what was found is chance.

What belongs here: the objective, the search, the choice from the Pareto front, and the protocol by which a search keeps its trials. What
does not: the databases that keep them (`storage.studies`), and Dagster's assets.
"""
