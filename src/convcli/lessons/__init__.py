"""What a student does with a convolution: one module a lesson, imported when it is used."""
