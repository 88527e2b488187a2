"""The `mech-exo` command."""
