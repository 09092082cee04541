"""From a landing to events: the recipe's SQL, keys, codes, each key once, and what is looked up afterwards.

Not here: where landings and events lie (`lake/`), what a vendor's fields mean (`vendors/`).
"""
