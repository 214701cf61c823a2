"""A site each of whose views leaves connections open in its own way."""
