"""The nouns: frozen dataclasses and pure functions that all stages share."""
