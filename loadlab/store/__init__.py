"""The run folder: what is written into it, what is read from it, and the events that tell how a run goes on."""
