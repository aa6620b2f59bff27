"""Physical devices: finding and pinning them, their memory budget and its peak use."""
