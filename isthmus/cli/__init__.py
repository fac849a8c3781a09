"""The `isthmus` command: the tenant's requests, and the processes of the control plane and of a cluster."""
