"""The main job; `python train.py --help` shows its options. The same as `python -m textapp train`."""

from textapp.cli import run_alone, train

if __name__ == "__main__":
    run_alone(train)
