"""Manual pages made of the public headers, for tools/manpages."""
