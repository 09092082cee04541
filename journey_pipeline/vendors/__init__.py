"""The rules of each vendor, one folder each, without Dagster and storage."""
