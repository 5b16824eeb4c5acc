"""What concerns NumPy: `numpy_support` translates types and dtypes, `extensions` has functions."""
