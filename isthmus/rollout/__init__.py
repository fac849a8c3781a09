"""When a cluster gets a revision and when it is taken back: decisions as values, carried out by the workers."""
