"""One module for each page: from a look at the home to what is shown of it."""
