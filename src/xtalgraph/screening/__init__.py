"""From candidates by the million to the few worth a closer look."""
