"""What tests of several files share: tiny models, example runs and reports, the command line's refusals."""
