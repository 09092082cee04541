"""Landings, events, rejects and dimensions as files: whole files first, their manifest last.

Not here: how bytes are fetched (`transport/`), what they mean (`vendors/`), the tables that analysts read
(`warehouse/`).
"""
