"""Dagster Components: one for each vendor, one for the warehouse.

Only here and in `definitions.py` is dagster imported.
"""
