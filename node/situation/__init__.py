"""How things stand: the node, the network, requests, cases, orders; as a view and as metrics."""
