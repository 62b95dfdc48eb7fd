"""Batches, optimizers, checkpoints and the loop that trains a network."""
