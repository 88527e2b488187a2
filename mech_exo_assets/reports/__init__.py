"""What results look like on paper and on pages."""
