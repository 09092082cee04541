"""The stream `journey_history` of Salesforce Marketing Cloud: asking, columns, SQL and code tables."""
