"""The regional server that agents dial: it sends differences and takes acknowledgements, and has no database."""
