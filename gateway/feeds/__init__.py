"""Where a hub gets what it serves: one module a source (design §2). The home region's is the store."""
