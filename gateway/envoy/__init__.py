"""How an Envoy of ours is started: bootstrap, images and manifests, the same for every role."""
