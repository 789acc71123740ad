"""WHAT A LANGUAGE MODEL'S FILE SAYS. A base that a researcher sends: its tokens and the places of its tensors, read with limits.
No torch."""
