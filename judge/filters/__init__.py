"""What is looked at before the judge: flags and gates, never scores."""
