"""What is one agent after?"""
