"""Recordings of programs: where their time goes."""
