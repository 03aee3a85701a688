"""`python -m flows.builder SPEC EVENTS`: the process in which one stage is built. It knows every stage, no Prefect."""

import sys

if __name__ == "__main__":
    # Here, because processes that work on parts import this module again, and need no stage's settings.
    from flows.stages import STAGES
    from tasks.engine.child import main

    sys.exit(main(STAGES, sys.argv[1:]))
