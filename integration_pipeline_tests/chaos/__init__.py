"""Everything that goes wrong, on purpose: faults × moments, and what must hold all the same. See docs/chaos.md."""
