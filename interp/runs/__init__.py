"""Networks in their worlds: rollouts, episodes, replays, recordings."""
