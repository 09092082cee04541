"""The `journey-pipeline` command."""
