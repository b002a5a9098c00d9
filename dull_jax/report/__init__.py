"""A run's results for people: the HTML report, result tables, the console summary."""
