"""What the tests build for real: wheels, environments, and an index that misbehaves."""
