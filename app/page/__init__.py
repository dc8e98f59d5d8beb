"""The page: who may see what, how full it is, and what was refused, for people with a browser."""
