"""From the text of a plan to a schedule of trials: parse, check, expand, schedule."""
