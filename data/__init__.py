"""What the demo is made of, and how it is made: all of it invented."""
