"""The ledger of asynchronous exports: what was asked of a vendor, how far it has come, and who is at it."""
