"""The tasks around the service: run, check, write a tag back, promote, roll back."""
