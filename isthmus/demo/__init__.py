"""The demo: two clusters in two regions on one machine, everything real but the distance, and its unattended check.

What it does it does as a user would: through the API and the `isthmus` command. `layout` says what there is, `clusters`
sets it up, `scenario` asks the seven questions of the check.
"""
