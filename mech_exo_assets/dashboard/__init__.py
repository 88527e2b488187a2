"""The pages, health and metrics of a home, for people who look more than they read.

What belongs here: everything that is served over HTTP by `mech-exo dashboard`. What does not: Dagster's own UI, and computing anything that
is not in a table of the mart or in the ledger already.
"""
