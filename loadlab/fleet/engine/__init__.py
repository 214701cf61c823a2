"""Two ways to simulate one model: request by request, or with an event per opened connection."""
