"""What results look like: pictures of what was learned."""
