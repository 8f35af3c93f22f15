"""Many whole nodes in one process, on a virtual clock, with simulated network, disks and faults."""
