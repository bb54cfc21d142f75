"""Does deliberating before acting help, and what is it used for?"""
