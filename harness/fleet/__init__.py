"""Many jobs: what is to be measured, on which machines, and what came of it."""
