"""What a night costs, in one run and as ratios: ``make bench``. Nothing here is collected by pytest."""
