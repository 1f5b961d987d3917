"""What outgrows one machine or one memory: clusters, and pictures that are read in parts."""
