"""A month in the life of an alliance of departments, from one seed (docs/anomalies.md).

`departments` draws who they are, `base` what they rightly do, `health` what is seen of their nodes,
`plants` what some of them do wrong; `month` puts all of it in order.
"""
