"""Pure decisions: what is asked, the limits and the usage go in, a verdict comes out."""
