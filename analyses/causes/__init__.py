"""Is what is written in carried out, and what is lost without it?"""
