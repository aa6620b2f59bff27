"""How far a batch is, why it waits, how far its motions are from real ones."""
