"""One file a stage: a job goes in, a record comes out."""
