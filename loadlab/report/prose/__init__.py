"""Sentences: each module says one topic of the findings, from their codes and figures alone."""
