"""Conversations in and out of files: pure Python, without Django.

A file is opened (`sources`), its JSON taken apart item by item (`jsonstream`), its vendor recognised by its shape
(`detect`) and read (`readers`) into the canonical records (`records`). `files.read_files` does all of it.
"""
