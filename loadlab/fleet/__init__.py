"""The fleet model: what one setting does on many hosts over hours, simulated from what was measured in seconds."""
