"""What a report says, in any format: words, names, tables, the matrix and the series of the charts."""
