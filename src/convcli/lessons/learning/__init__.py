"""Learn: the kernel that turns one picture into another."""
