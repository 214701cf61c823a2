"""The live page: a separate process that reads run folders and shows finished and running runs in a browser."""
