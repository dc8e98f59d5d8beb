"""Creates, injects, refreshes, repairs and removes pull secrets of ServiceAccounts."""
