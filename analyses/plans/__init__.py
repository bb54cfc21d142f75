"""Where can a plan be read, does it form, does it work, how far does it reach?"""
