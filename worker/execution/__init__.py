"""Runs claimed packs: leases, fault isolation, saving and results."""
