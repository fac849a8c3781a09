"""How an Envoy of ours is started (bootstrap, images, manifests), and what one says of views without running them."""
