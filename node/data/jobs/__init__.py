"""What runs inside worker processes: `python -m node.data.jobs`, started by node.data.worker."""
