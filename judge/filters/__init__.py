"""What is looked at before the judge: flags and filters, never scores."""
