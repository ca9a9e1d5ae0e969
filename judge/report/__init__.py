"""What reports share: intervals, and pages to read them on. Knows nothing of judges."""
