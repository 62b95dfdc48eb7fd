"""Texts to tokens and ids."""
