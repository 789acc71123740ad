"""Reports of NVIDIA's processors, which go with a report of the machine that they are in. Begin with check.py."""
