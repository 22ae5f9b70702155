"""What is known beforehand: each catalog with its .toml beside it."""
