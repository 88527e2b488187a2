"""Numerics: arrays and frames in, arrays and frames out. Imports no Dagster and no storage."""
