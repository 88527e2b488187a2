"""Mech-Exo: a self-retraining strategy platform on Dagster."""
