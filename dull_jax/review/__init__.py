"""A page on this machine where a person decides about suspected labels."""
