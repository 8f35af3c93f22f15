"""Pages for people: the console of a member's operators, and the portal for the public."""
