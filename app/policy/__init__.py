"""Pure decisions: a request, the limits and the usage go in; a verdict comes out."""
