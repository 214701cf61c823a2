"""The live page: a process of its own that reads run folders, and shows in a browser how runs go on."""
