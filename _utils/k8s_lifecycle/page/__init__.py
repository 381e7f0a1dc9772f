"""Pages for people: one file each, without anything from the network."""
