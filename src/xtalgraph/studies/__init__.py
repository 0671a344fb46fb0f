"""Many trainings and one answer: compare, learning curve, tune, cross-validate, matbench."""
