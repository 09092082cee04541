"""Files of records as bytes: cut into records while they stream by, with memory that does not depend on their size.

Both who downloads a file and who makes events of it read it by these rules. Not here: what a vendor's records mean
(`vendors/`), where files lie and what becomes of them (`lake/`).
"""
