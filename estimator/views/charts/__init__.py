"""Charts of results, each drawn once: a file a result, a function a chart.

A chart is made of a result as ``--json`` prints it. Pages, pictures and the served page are skins
that it is given at the end.
"""
