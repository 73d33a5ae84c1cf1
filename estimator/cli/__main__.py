"""Run the command line as ``python -m computebill.cli``."""

from . import main

main(prog_name="computebill")
