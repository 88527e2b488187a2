"""Where market data comes from: one protocol, and one module for each scheme of the source URI."""
