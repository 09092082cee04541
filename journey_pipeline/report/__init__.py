"""What is published, as pages: one journey, and all journeys. One HTML file each, which needs no network."""
