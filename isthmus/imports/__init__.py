"""What other systems' files say about an App Mesh mesh, as definitions of ours; no file is opened here.

App Mesh's own interface is gone, so nobody can export a mesh from it: what is left of a mesh is what its owner wrote
for the Kubernetes controller or for CloudFormation. What is not carried over is counted in `notes`, never just dropped.
"""
