"""Many pictures: jobs, what runs them, and what they report."""
