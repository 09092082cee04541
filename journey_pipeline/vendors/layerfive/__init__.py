"""LayerFive: what known people did, as deltas that overlap."""
