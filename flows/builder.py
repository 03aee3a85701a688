"""`python -m flows.builder SPEC EVENTS`: the process in which one stage is built. It knows every stage, no Prefect."""

import sys

from flows.stages import STAGES
from tasks.engine.child import main

if __name__ == "__main__":
    sys.exit(main(STAGES, sys.argv[1:]))
