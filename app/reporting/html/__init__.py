"""What every HTML that this project writes has in common: one look, and one way to say numbers."""
