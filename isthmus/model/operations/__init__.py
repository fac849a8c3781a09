"""operations: App Mesh's 38 calls as a table of our own: paths, what is asked, what is answered, what can go wrong.

Made by rule from the seven kinds, because AWS made them by rule: five verbs each, and three calls for tags. A contract
test compares every call and shape with AWS's own service model; nothing that runs depends on that.
"""
