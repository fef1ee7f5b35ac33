"""Comparison -> page. Draws and prints what the record holds; fits nothing, samples nothing."""
