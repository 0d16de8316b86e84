"""What a user would pick instead, measured side by side: PostGIS, Redis, and a plain scan in numpy."""
