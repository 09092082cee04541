"""Salesforce Marketing Cloud: the history of its journeys."""
