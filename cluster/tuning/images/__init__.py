"""Images of training examples: taken from data URLs or fetched behind a guard, and looked at before anything is trained on them."""
