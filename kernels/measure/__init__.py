"""What the accelerator in this machine really reaches: the one part of kernels that runs things.

Every measuring function takes a budget in seconds, and returns what it measured or a ``Skip``
with the reason. It prints nothing, writes nothing and leaves the device's settings alone.
"""
