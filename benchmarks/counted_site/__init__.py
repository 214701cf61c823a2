"""The sample app's one-row read alone, in a site that callgrind counts: without loadlab, nothing of it is imported."""
