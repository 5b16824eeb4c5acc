"""What concerns NumPy: `numpy_support` translates between types and dtypes."""
