"""Reports say what the findings say, in every format."""
