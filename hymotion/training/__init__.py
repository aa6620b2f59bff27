"""Training data from motion capture: readers, retargeting, segments, augmentation, datasets."""
