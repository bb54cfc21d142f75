"""Grid mazes with objects whose base objective and tempting proxies are known by construction."""
