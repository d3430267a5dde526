"""The checks behind tools/tidy: each takes the options and gives a list of findings."""
