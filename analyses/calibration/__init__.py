"""How often analyses find something where there is nothing, and how large an effect they find."""
