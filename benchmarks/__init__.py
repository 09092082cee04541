"""What the pipeline costs, measured beside a floor and a peer that do the same work: `python -m benchmarks`.

Figures and how they came about are in `README.md`. Not here: whether the pipeline is right (`journey_pipeline_tests/`).
"""
