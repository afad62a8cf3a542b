"""What a user would pick instead: the same work on the same tables, written as others would write it."""
