"""What a definition means in one cluster: references resolved and defaults chosen, before anything knows of Envoy."""
