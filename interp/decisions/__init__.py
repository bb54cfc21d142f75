"""Small decision problems: soft values, inverse reinforcement learning, identifiability."""
