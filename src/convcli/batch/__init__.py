"""Many pictures on one machine: the jobs, what runs them, and what they report."""
