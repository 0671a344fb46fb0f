"""Parts for xtalgraph: two poolings, two activations, a network, a format and a baseline."""
