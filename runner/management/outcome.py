"""How a sandbox ends, in words that the agent knows."""

EXIT_STATUS = {
    "timeout": 124,
    "policy": 126,
    "memory": 137,
    "stopped": 143,
    "setup_failed": 70,
    "upload_failed": 74,
    "output_missing": 66,
    "init_failed": 3,
}


class SetupFailed(Exception):
    """What was to be run could not be brought in. The message is for the submitter, and always safe to show."""


class Outcome:
    """reason: see EndReason of the agent; exit_code: the user's own; signal: the name of the signal that ended it."""

    def __init__(self, reason, exit_code=None, signal=None, message=None):
        self.reason = reason
        self.exit_code = exit_code
        self.signal = signal
        self.message = message

    def fields(self):
        return {
            "reason": self.reason,
            "exitCode": self.exit_code,
            "signal": self.signal,
            "message": self.message,
        }


def exit_status(outcome):
    """The status of process 1 itself, for whoever only sees that."""
    if outcome.reason in EXIT_STATUS:
        return EXIT_STATUS[outcome.reason]
    return outcome.exit_code if outcome.exit_code is not None else 1
