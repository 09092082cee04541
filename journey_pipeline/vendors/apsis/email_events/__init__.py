"""The stream `email_events` of APSIS One: asking, columns, SQL and code tables."""
