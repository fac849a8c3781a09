"""App Mesh's own API as AWS's clients speak it (appmesh.md §2): restJson1, SigV4, over the same meshes as /v1."""
