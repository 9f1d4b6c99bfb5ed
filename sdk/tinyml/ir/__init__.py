"""The one intermediate representation: int8 graphs that search, passes, planner, emitter and reports all read."""
