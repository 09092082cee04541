"""What is true of each vendor: one folder each. Knows no Dagster and no storage."""
