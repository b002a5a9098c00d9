"""The chapters of the report: each turns a `Run` into a `<section>`, or None without its files."""
