"""The question of Insider's formats: what each costs beside CSV, and what attributes cost that stand on every row.

Not here: the export (`contenders/insider_made.py`), how contenders run (`processes.py`).
"""

from __future__ import annotations

from statistics import median

from benchmarks.processes import ContenderError, Measured, run
from benchmarks.tables import table
from benchmarks.turns import Effort, new_folder

_FORMATS = ("csv", "parquet", "json", "ndjson")
_FEW, _MANY = 3, 10
_TARGETS = {"parquet": ">= 0.8", "json": ">= 0.5", "ndjson": ">= 0.5"}


def insider(effort: Effort) -> str:
    """1,000,000 user events of Insider in each format, with 3 attributes; as Parquet with none and with 10."""
    rows = effort.size(1_000_000, 700)
    kinds = [*((form, _FEW) for form in _FORMATS), ("parquet", 0), ("parquet", _MANY)]
    runs: dict[tuple[str, int], list[Measured]] = {kind: [] for kind in kinds}
    with new_folder() as folder:
        for form, attributes in kinds:
            run("insider_made", folder / f"{form}-{attributes}", {}, form, str(rows), str(attributes))
        for _ in range(effort.repeats):
            for (form, attributes), repeats in runs.items():
                measured = run("insider_normalizer", folder / f"{form}-{attributes}", {})
                if measured.said["rows"] != rows or bool(measured.said["attributes"]) != bool(attributes):
                    raise ContenderError(f"{form} came to {measured.said}, not to {rows} rows")
                repeats.append(measured)
                effort.tell(f"{form}, {attributes} attributes: {measured.said['work_cpu_s']:.2f} cpu s")
    work_s = {kind: median(one.said["work_cpu_s"] for one in repeats) for kind, repeats in runs.items()}
    csv_s = work_s["csv", _FEW]
    lines = [
        [
            form,
            attributes,
            f"{work_s[form, attributes]:.2f}",
            f"{rows / work_s[form, attributes]:,.0f}",
            f"{csv_s / work_s[form, attributes]:.2f}" if attributes == _FEW else "",
            _TARGETS.get(form, "") if attributes == _FEW else "",
            f"{max(one.peak_mib for one in repeats):.0f}",
        ]
        for (form, attributes), repeats in runs.items()
    ]
    header = ["format", "attributes", "work cpu s", "rows a cpu s", "speed to CSV", "target", "peak MiB"]
    ratio = work_s["parquet", _MANY] / work_s["parquet", 0]
    return f"{table(header, lines)}\n\n{_MANY} attributes cost {ratio:.2f} times the work without; target <= 1.3."
