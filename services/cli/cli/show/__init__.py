"""How answers look: tables, a day's timeline, a map of a round."""
