"""The truth test: random small fleets, predicted before they are run on real servers, and compared with them."""
