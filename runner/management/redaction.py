"""Takes values out of what user code prints: secrets that were resolved for it and that it may not put into a log.

A value is found across chunks, and text that cannot be the start of one is never held back, so output stays live.
A value in another encoding is not found; this is a guard against accidents, not against intent.
"""
import re

from .outcome import SetupFailed

MARK = "[redacted]"
MOST_VALUES = 400
#: As long as a secret of a vault may be.
LONGEST_VALUE = 25 * 1024


class Redaction:
    def __init__(self, values):
        if len(values) > MOST_VALUES or any(not isinstance(v, str) or len(v) > LONGEST_VALUE for v in values):
            raise SetupFailed("redact must list up to %d texts of up to %d characters." % (MOST_VALUES, LONGEST_VALUE))
        # Longest first, so that a value that starts with another is taken out whole.
        self._values = sorted({value for value in values if value}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._values)))
        self._held = ""

    def feed(self, text):
        """What can be shown by now of everything that was fed."""
        return self._scan(self._held + text, final=False)

    def rest(self):
        """What was held back, at the end of the output."""
        return self._scan(self._held, final=True)

    def whole(self, text):
        """The same for a text that is all there is."""
        return self.feed(text) + self.rest()

    def _scan(self, text, final):
        if not self._values:
            return text
        shown, at = [], 0
        begun = len(text) if final else self._first_begun(text, at)
        for match in self._pattern.finditer(text):
            # order matters: the beginning of a longer value is held back before a shorter one in it is taken out.
            if match.start() >= begun:
                break
            shown += (text[at:match.start()], MARK)
            at = match.end()
            if begun < at:
                begun = self._first_begun(text, at)
        shown.append(text[at:begun])
        self._held = text[begun:]
        return "".join(shown)

    def _first_begun(self, text, at):
        return min(self._begun(value, text, at) for value in self._values)

    @staticmethod
    def _begun(value, text, at):
        """Where the end of the text could be the beginning of the value; the text's length if nowhere."""
        start = text.find(value[0], max(at, len(text) - len(value) + 1))
        while start != -1:
            if value.startswith(text[start:]):
                return start
            start = text.find(value[0], start + 1)
        return len(text)
