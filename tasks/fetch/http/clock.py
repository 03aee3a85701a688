"""Time, so that what waits can be tested without waiting."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """The real time."""

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, as servers count them."""
        return time.time()

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """Waits until an event, at most so long (None: as long as it takes)."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await self.wait(asyncio.Event(), seconds)
