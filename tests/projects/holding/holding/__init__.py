"""A project that holds connections in ways which no end of a request closes."""
