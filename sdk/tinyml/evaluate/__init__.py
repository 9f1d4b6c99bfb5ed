"""Judging an image by what its console prints: per clip, and on a stream of held-out recordings."""
