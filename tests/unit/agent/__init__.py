"""What an agent decides, as tables."""
