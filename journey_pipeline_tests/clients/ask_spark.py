"""What Spark finds in Parquet files, without any setting about them: a script, run with its packages."""

from __future__ import annotations

import json
import sys

from pyspark.sql import SparkSession

OPTIONS = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.session.timeZone": "UTC",
}

question = json.load(sys.stdin)
builder = SparkSession.builder.master("local[1]")
for name, value in OPTIONS.items():
    builder = builder.config(name, value)
session = builder.getOrCreate()


def answer(pattern: str) -> dict[str, object]:
    """The columns of some files and all their rows as text."""
    frame = session.read.parquet(pattern)
    return {
        "columns": {field.name: field.dataType.simpleString() for field in frame.schema},
        "rows": sorted([str(value) for value in row] for row in frame.collect()),
    }


json.dump({pattern: answer(pattern) for pattern in question["patterns"]}, sys.stdout)
session.stop()
