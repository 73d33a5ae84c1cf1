"""Which layout and cluster train a model best."""
