"""Pure tensor mathematics: functions of broadcastable tensors, SI units, no I/O.

Each module holds one subject; each function one equation, with its units, shapes and source.
"""
