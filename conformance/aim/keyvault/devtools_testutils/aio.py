"""The same for tests of the asynchronous clients, which pytest-asyncio runs."""

import functools


def recorded_by_proxy_async(test):
    @functools.wraps(test)
    async def run(*args, **more):
        return await test(*args, **more)

    return run
