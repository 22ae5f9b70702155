"""What a package index can tell: pages, locks, wheels."""
