"""Measure what an ML runtime really costs: installer, disk, import."""

__version__ = "0.1.0"
