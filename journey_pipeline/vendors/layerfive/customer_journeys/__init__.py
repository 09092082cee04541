"""The stream `customer_journeys` of LayerFive: asking, reading, columns, SQL and code tables."""
