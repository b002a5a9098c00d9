"""Tables and lists that people make: CSV files, what their cells mean, labels that they give."""
