"""Files of weights, one layout a file: the names and shapes in them, and how they become ours."""
