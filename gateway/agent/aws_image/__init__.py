"""The port for Envoys of App Mesh's own image: their stream, their credentials, their name for themselves."""
