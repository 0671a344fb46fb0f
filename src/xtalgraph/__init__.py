"""Crystal graphs and crystal graph convolutional networks: fast, exact, honest."""
