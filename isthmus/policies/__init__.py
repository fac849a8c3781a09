"""One file is one policy, and this folder is the catalogue: there is no other list of policies to keep in step."""
