"""The sentences of a report, made of the codes and figures of its findings."""
