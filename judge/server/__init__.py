"""The HTTP reward server: FastAPI in front of one `Judge`."""
