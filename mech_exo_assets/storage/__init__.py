"""Where results are kept: the lake (Delta tables) and the mart (one published DuckDB file)."""
