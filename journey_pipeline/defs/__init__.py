"""What this deployment runs: one folder with a `defs.yaml` for each connection, and one for the warehouse."""
