//! Snapshots of small functions.
