"""One module per peripheral of the virtual board, behind one `Peripheral`."""
