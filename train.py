"""The main job; `python train.py --help` shows its options. The same as `python -m textapp train`."""

from textapp.environment import require_environment

if __name__ == "__main__":
    require_environment()
    from textapp.cli import run_alone, train

    run_alone(train)
