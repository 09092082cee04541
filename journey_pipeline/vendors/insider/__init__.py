"""Insider: user events by request and webhook, with attributes of people."""
