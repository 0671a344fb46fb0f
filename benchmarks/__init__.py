"""Speed, measured side by side with other programs, as ratios in one run."""
