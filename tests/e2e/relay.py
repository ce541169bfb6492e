# SPDX-License-Identifier: Apache-2.0
"""A relay between two programs of a test: a TCP proxy whose network can be made worse while it runs, without
rights and without kernel modules. One thread with its own asyncio loop; standard library only.

    with Relay(8481) as relay:            # listens on relay.port, passes on to 127.0.0.1:8481
        relay.delay = 0.05                # seconds for each piece, each way
        relay.bandwidth = 100_000         # bytes a second, each way
        relay.loss = 0.3                  # chance that a piece is lost: the connection then breaks
        relay.block(up=True)              # nothing passes towards the server (one-way partition)
        relay.block(up=True, down=True)   # partition: connections stay, nothing passes
        relay.heal()                      # everything above ends; what was held back passes
        relay.reset()                     # all connections end with RST
        relay.stall()                     # accepts, and passes nothing on either way, new ones too
        relay.half_open()                 # the server's side ends, the client is not told
    relay.forget()                    # connections that stand lead nowhere for ever, new ones pass

Names: up is from who connects to the server, down is back. A lost piece cannot be left out of a TCP stream
without a gap, so loss closes the connection, which is what a lossy link looks like above TCP."""

import asyncio
import random
import socket
import struct
import threading

PIECE = 16384


class Pipe:
    """One accepted connection and its partner."""

    def __init__(self, relay, client, server):
        self.relay = relay
        self.client, self.server = client, server  # (reader, writer)
        self.forgotten = False

    async def run(self):
        jobs = [asyncio.ensure_future(self.pass_on("up", self.client[0], self.server[1])),
                asyncio.ensure_future(self.pass_on("down", self.server[0], self.client[1]))]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            self.close()

    async def pass_on(self, way, reader, writer):
        relay = self.relay
        while True:
            piece = await reader.read(PIECE)
            if not piece:
                await relay.open_way(way)  # a blocked way also hides that the other side has gone
                while self.forgotten and way == "down":
                    await asyncio.sleep(3600)
                return
            if relay.delay:
                await asyncio.sleep(relay.delay)
            if relay.bandwidth:
                await asyncio.sleep(len(piece) / relay.bandwidth)
            await relay.open_way(way)
            if self.forgotten:
                continue  # read, so that nobody notices, and dropped
            if relay.loss and relay.random.random() < relay.loss:
                relay.lost += 1
                self.abort()
                return
            relay.passed[way] += len(piece)
            writer.write(piece)
            try:
                await writer.drain()
            except ConnectionError:
                return

    def close(self):
        for _, writer in (self.client, self.server):
            writer.close()
        self.relay.pipes.discard(self)

    def abort(self):
        """Ends both sides with RST."""
        for _, writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:  # not closed yet
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def half_open(self):
        self.server[1].transport.abort()


class Relay:
    def __init__(self, target, host="127.0.0.1", seed=1):
        self.target, self.host = target, host
        self.delay = self.bandwidth = self.loss = 0
        self.random = random.Random(seed)
        self.passed = {"up": 0, "down": 0}
        self.lost = self.accepted = 0
        self.pipes = set()
        self.ways = {}  # way -> asyncio.Event: set while it is open
        self.stalled = False
        self.keep_open = set()
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._main, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def _main(self, ready):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._listen())
        ready.set()
        self.loop.run_forever()

    async def _listen(self):
        for way in ("up", "down"):
            self.ways[way] = asyncio.Event()
            self.ways[way].set()
        self.listener = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def open_way(self, way):
        await self.ways[way].wait()

    async def _accept(self, reader, writer):
        self.accepted += 1
        if self.stalled:
            self.keep_open.add(writer)
            return
        try:
            server = await asyncio.open_connection(self.host, self.target)
        except OSError:
            writer.transport.abort()
            return
        pipe = Pipe(self, (reader, writer), server)
        self.pipes.add(pipe)
        try:
            await pipe.run()
        except (ConnectionError, asyncio.CancelledError):
            pipe.close()

    def _do(self, what):
        done = threading.Event()

        def run():
            what()
            done.set()
        self.loop.call_soon_threadsafe(run)
        done.wait(10)

    def block(self, up=False, down=False):
        def run():
            for way, blocked in (("up", up), ("down", down)):
                (self.ways[way].clear if blocked else self.ways[way].set)()
        self._do(run)

    def heal(self):
        def run():
            self.delay = self.bandwidth = self.loss = 0
            self.stalled = False
            for way in self.ways.values():
                way.set()
            for writer in self.keep_open:  # who waited with us has to come again
                writer.transport.abort()
            self.keep_open.clear()
        self._do(run)

    def reset(self):
        self._do(lambda: [pipe.abort() for pipe in list(self.pipes)])

    def half_open(self):
        """The server's sides end; what clients still have open leads nowhere."""
        def run():
            for way in self.ways.values():
                way.clear()
            for pipe in list(self.pipes):
                pipe.half_open()
        self._do(run)

    def forget(self):
        """As a router that lost its table of connections."""
        def run():
            for pipe in self.pipes:
                pipe.forgotten = True
        self._do(run)

    def stall(self):
        def run():
            self.stalled = True
            for way in self.ways.values():
                way.clear()
        self._do(run)

    def close(self):
        def run():
            self.listener.close()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            for pipe in list(self.pipes):
                pipe.close()
            self.loop.call_soon(self.loop.stop)
        self.loop.call_soon_threadsafe(run)
        self.thread.join(10)
        self.loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
