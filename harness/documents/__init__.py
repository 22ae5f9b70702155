"""What is kept: one module a kind of document."""
