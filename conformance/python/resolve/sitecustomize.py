"""Makes every name below `localhost` resolve to this machine, as RFC 6761 asks and systemd-resolved does.

Python loads a module of this name by itself when its folder is on PYTHONPATH. Vaults and storage accounts are virtual hosts,
and a plain Debian resolves only `localhost` itself. Changes name look-up only; the clients stay as published.
"""

import socket

_getaddrinfo = socket.getaddrinfo


def _resolve(host, *args, **more):
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    is_ours = isinstance(name, str) and name.lower().endswith(".localhost")
    return _getaddrinfo("127.0.0.1" if is_ours else host, *args, **more)


socket.getaddrinfo = _resolve
