"""Pull secrets for ServiceAccounts: made, injected, refreshed, repaired and removed."""
