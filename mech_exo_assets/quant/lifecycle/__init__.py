"""Replacing a strategy by a better one, on the record.

What belongs here: what a strategy version is, who is champion when, and the statistics of the decisions. What does not: the record itself
(`storage.ledger`), and what is run when (`defs.lifecycle`, `defs.sensors`).
"""
