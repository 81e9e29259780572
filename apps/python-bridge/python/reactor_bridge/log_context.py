"""The context of logs, made only when something is logged.

Twisted makes one for every event of every connection, which costs more than the event itself.
"""

from twisted.python import context, log

from reactor_bridge import _native


class _LazyContext(dict):
    """A context whose ``system`` is the prefix of the object whose callback runs."""

    def __getitem__(self, key):
        return self._system() if key == "system" else super().__getitem__(key)

    def get(self, key, default=None):
        return self._system() if key == "system" else super().get(key, default)

    def copy(self):
        """What ``log.msg`` adds to an event."""
        return {**self, "system": self._system()}

    def _system(self):
        owner = _native.current()
        if owner is None:
            return super().get("system", "-")
        try:
            return owner.logPrefix()
        except Exception:
            return "(buggy logPrefix method)"


def with_lazy_context(function, *arguments):
    """Call a function; what is logged meanwhile is said to be about the object whose callback runs."""
    around = context.get(log.ILogContext) or {}
    return context.call({log.ILogContext: _LazyContext(around)}, function, *arguments)
