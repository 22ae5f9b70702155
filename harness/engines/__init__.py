"""Where code runs: containers where a Docker API answers, virtual environments elsewhere."""
