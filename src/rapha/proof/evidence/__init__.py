"""Hardware evidence, and what it takes to believe it. Begin with appraise.py."""
