"""Who may look and act, and what no request gets past."""
