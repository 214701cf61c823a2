"""A site whose views close connections in the middle of a request, or use several aliases in one."""
