"""What a killed command left undone is done before the next one writes."""

from churnflow.engine.ports import Ports
from churnflow.engine.rollback import finish


def settle(ports: Ports) -> None:
    """Finish an interrupted rollback, and make again the tags and copies that derive from the run's checkpoints."""
    finish(ports)
    run = ports.journal.current()
    if run is not None:
        # Also where no entry tells of a checkpoint: a kill may have come between the first one and its entry.
        ports.checkpoints.repair(run.id)
