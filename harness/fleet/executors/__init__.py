"""Who does tasks: one file each."""
