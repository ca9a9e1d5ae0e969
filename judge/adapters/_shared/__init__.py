"""What the adapters share: samples, metrics, failure policies, the judge of a process or behind a server."""
