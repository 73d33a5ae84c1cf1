"""Rows of large files, a batch at a time: read, worked on by threads or a cluster, written."""
