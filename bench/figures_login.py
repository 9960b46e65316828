"""login: what a storm of logins leaves for the checks of tokens."""
import os

from figure import Figure
from measure import BenchError

LOGINS = 200
FREE_SHARE_MIN = 0.01  # of the machine; less cannot be told from an error of measurement


class LoginStorm(Figure):
    name, unit, aim = "login_storm", "checks/s", 0.8
    limit_is = ("token checks alone, or what the CPU time that the logins leave free gives when each"
                " check costs what it costs alone")


class LoginStormAlone(LoginStorm):
    """Hashing takes its cores, whatever we do: no aim."""

    name, aim = "login_storm_alone", None
    limit_is = "token checks alone, with all cores"


def _cpu_s(used):
    return sum(cpu for cpu, _ in used.values())


class Storm(Figure):
    """VerifyToken of identity's service, 16 in flight, while 200 logins come at once.

    Who is refused because too many wait comes again when another one was answered.
    """

    parts, ours_first, default = (LoginStorm, LoginStormAlone), True, 20000

    def prepare(self):
        self.world.clean("identity")
        self.logins = LOGINS if self.sizes.events is None else max(
            2, min(LOGINS, self.sizes.events // 10))

    def _storm(self, **options):
        with self.world.own("service", "identity") as service:
            program = self.world.start("ours_storm", stays=True, **options)  # has its users now
            with self.world.meter(service=service.pid) as meter:
                said = self.world.finish(meter, "ours_storm", program)
        return said, meter.used

    def ours(self):
        self.during, used = self._storm(logins=self.logins)
        if self.during["checks"] == 0:
            raise BenchError("no token was checked while the logins hashed")
        rate = self.during["checks"] / self.during["seconds"]
        return [rate, rate], used

    def limit(self):
        """Checks alone, then the logins alone: what they cost is what they take from the checks."""
        checks, used = self._storm(checks=self.sizes.of(self.default))
        logins, logins_used = self._storm(logins=self.logins, in_flight=0)
        alone = checks["checks"] / checks["seconds"]
        check_s = _cpu_s(used) / checks["checks"]
        all_s = os.cpu_count() * self.during["seconds"]
        free_s = max(FREE_SHARE_MIN * all_s,
                     all_s - _cpu_s(logins_used) * self.during["logins"] / logins["logins"])
        return [min(alone, free_s / check_s / self.during["seconds"]), alone], used


LOGIN = [Storm]
