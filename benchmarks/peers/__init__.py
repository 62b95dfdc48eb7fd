"""Ours beside the peers: the same texts, the same shapes, the same threads, in turn."""
