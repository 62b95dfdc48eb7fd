"""SavedModels that take raw strings, and the proof that they answer as the trained models do.

`process` and `parity` start processes of their own and are all that the rest of the program uses; TensorFlow
is imported in those processes only.
"""
