"""What we reach outside: keys, artifacts and wake-ups behind small protocols, each with a local default."""
