"""What models reach on held-out texts, against what they are to reach."""
