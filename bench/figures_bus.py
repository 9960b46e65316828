"""rpc: requests over the bus."""
from figure import LOWER, Figure

AUTHOR = "00000000-0000-4000-8000-000000000001"


class Rpc(Figure):
    """An echo, protobuf in and out."""

    unit, better, aim, in_flight, default = "us/request", LOWER, 1.2, 1, 20000
    limit_is = "nats.c's request and reply between the same users, the same bytes, no headers"

    def _run(self, side):
        server = self.world.start(f"{side}_rpc", stays=True, serve="yes")
        try:
            with self.world.meter(server=server.process.pid) as meter:
                said = self.world.ask(meter, f"{side}_rpc", requests=self.sizes.of(self.default),
                                      in_flight=self.in_flight, size=self.sizes.size)
        finally:
            server.end()
        return 1e6 * said["seconds"] / said["requests"], meter.used

    def ours(self):
        return self._run("ours")

    def limit(self):
        return self._run("limit")


class Rpc1(Rpc):
    name = "rpc_1"


class Rpc64(Rpc):
    name, in_flight, default = "rpc_64", 64, 100000


class Command64(Figure):
    """CreatePost end to end: over the bus, through the real service."""

    name, unit, aim, default = "command_64", "commands/s", 0.7, 20000
    limit_is = "the same commands by 32 writers without the bus (append_32's ours)"

    def prepare(self):
        self.world.clean("content")

    def ours(self):
        with self.world.own("service", "content") as service:
            with self.world.meter(service=service.pid) as meter:
                said = self.world.ask(meter, "ours_rpc", requests=self.sizes.of(self.default),
                                      in_flight=64, size=self.sizes.size, on_behalf_of=AUTHOR)
        return said["requests"] / said["seconds"], meter.used

    def limit(self):
        said, used = self.world.run("ours_append", writers=32, size=self.sizes.size,
                                    commands=max(32, self.sizes.of(self.default)))
        return said["commands"] / said["seconds"], used


RPC = [Rpc1, Rpc64, Command64]
