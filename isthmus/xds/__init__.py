"""What Envoy is told: resources named by their content, so that an edit without effect pushes nothing."""
