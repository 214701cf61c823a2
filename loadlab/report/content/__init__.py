"""What a report says, whatever its format: words, names, tables, the matrix and the series of the charts."""
