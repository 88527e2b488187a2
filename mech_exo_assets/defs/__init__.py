"""Dagster only, and thin: an asset loads, calls `quant`, and returns a value and its metadata."""
