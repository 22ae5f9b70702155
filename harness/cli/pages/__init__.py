"""Answers as a person reads them, one module a question. On standard output."""
