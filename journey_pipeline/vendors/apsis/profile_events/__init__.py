"""The stream `profile_events` of APSIS One: asking, reading, columns, SQL and code tables."""
