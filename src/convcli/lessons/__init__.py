"""What convcli teaches: one module, or one folder, a lesson."""
