"""How fast chatstore is beside its peers: `python -m bench` (docs/performance.md)."""
