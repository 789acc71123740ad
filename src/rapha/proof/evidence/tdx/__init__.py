"""Evidence of Intel TDX: a quote, and what Intel says of the platform. Begin with check.py."""
