"""Tests of JAX: `KERAS_BACKEND=jax python -m pytest tests/jax`, some of them only where TensorFlow is not installed."""

import os

collect_ignore_glob = [] if os.environ.get("KERAS_BACKEND") == "jax" else ["test_*.py"]
