"""Settings that all tests share."""

from __future__ import annotations

import os

import torch
from hypothesis import settings

# Workers share the cores: more threads each would only stand in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)

# A busy machine is no reason to fail; the number of examples stays each test's own.
settings.register_profile("computebill", deadline=None)
settings.load_profile("computebill")
