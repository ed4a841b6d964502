"""Images that clients name: taken from data URLs or fetched behind a guard, and looked at before a model gets to see them."""
