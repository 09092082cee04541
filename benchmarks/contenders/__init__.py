"""One module for each way to do the work; each runs in a process of its own and says in one line what came of it.

Not here: what they are asked (`benchmarks/questions.py`), how they are measured (`benchmarks/processes.py`).
"""
