"""The code location: everything that the folders under `defs/` configure. Nothing else belongs here."""

from pathlib import Path

import dagster as dg

import journey_pipeline.defs
from journey_pipeline.components.instance import accepted_previews


@dg.definitions
def defs() -> dg.Definitions:
    """Loads `defs/`, from a checkout and from an installed package alike."""
    tree = dg.ComponentTree.from_module(journey_pipeline.defs, project_root=Path(__file__).parent.parent)
    with accepted_previews():
        configured = tree.build_defs()
    return dg.Definitions.merge(configured, dg.Definitions(executor=dg.in_process_executor))
