"""What `loadlab fleet` found, as text for a terminal, Markdown, JSON and one page of HTML."""
