"""When in training do plans and their use appear?"""
