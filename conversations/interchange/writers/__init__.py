"""The writers, one a format: records in, the bytes of a file out."""
