"""Data sets of others: what is known of each, and how it is fetched."""
