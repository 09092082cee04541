"""The DuckDB warehouse: always the deduplicated union of the events files.

`sync` and `rebuild` make it so, `publish` puts it before the analysts, `query` reads what is published and
`compare_with_lake` proves it. Not here: the files it is made from (`lake/`), when any of this runs (`components/`).
"""
