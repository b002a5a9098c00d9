"""Image files of the user's own: which there are, what is in them, how they become arrays."""
