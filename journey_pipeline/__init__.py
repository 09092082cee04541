"""Customer-journey history, brought home from marketing platforms into Parquet and one DuckDB warehouse.

The README tells what it does; the packages below tell where. Nothing is imported here, so that a
command or a worker pays only for what it uses.
"""

__version__ = "0.2.0"
