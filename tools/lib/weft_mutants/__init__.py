"""The parts of tools/mutants: patches, mutants made by rule, and the bench to try them."""
