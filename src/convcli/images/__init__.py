"""Pictures from files and pipes, and back: the only package that imports Pillow."""
