"""The definitions of this deployment: a folder with a `defs.yaml` for each connection, and one for the warehouse."""
