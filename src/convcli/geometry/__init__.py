"""The arithmetic of sliding a window, in whole numbers; pairs are (rows, columns)."""
