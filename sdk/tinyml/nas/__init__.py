"""TinyNAS: the search space of a board, a weight-sharing supernet, evolution; costs come from the compiler itself."""
