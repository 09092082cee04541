"""The DuckDB warehouse: always the deduplicated union of the events files."""
