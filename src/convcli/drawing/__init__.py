"""What convcli draws: a canvas, figures and sheets, and animations."""
