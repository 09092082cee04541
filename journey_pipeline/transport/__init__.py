"""The client side of HTTP for all vendors: session, auth, retry, limits, streamed download, redaction."""
