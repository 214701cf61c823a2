"""Load from several hosts: a master, its workers, and the channel between them."""
