"""What the machine gives: programs, ports, files, the places of loadlab's own files, and HTTP within bounds."""
