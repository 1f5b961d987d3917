"""Pictures from files and pipes, and back, with Pillow where it serves."""
