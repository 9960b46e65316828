"""Many commands in flight on one connection: more than a client that waits for each could bring."""
from instance import wait_for


class Flood:
    """Many commands at once on one connection, and what was answered to each."""

    def __init__(self, caller, service, method):
        self.caller, self.subject = caller, f"nova.rpc.{service}.v2.{method}"
        self.sent, self.codes, self.texts, self.positions = {}, {}, {}, {}

    def send(self, command, data, headers):
        self.sent[command] = data
        self.caller.publish(self.subject, data, f"{self.caller.inbox}.{command}", headers)

    def take(self, seconds):
        """What is answered within a moment."""
        while (answer := self.caller.next(self.caller.answers, seconds)) is not None:
            command = answer.subject.rsplit(".", 1)[1]
            assert command not in self.codes, "answered twice"
            self.codes[command] = int(answer.headers.get("Nats-Service-Error-Code", 0))
            self.texts[command] = answer.headers.get("Nats-Service-Error", "")
            self.positions[command] = answer.headers.get("Nova-Position")

    def take_until(self, what, enough):
        def look():
            self.take(0.05)
            return enough()
        wait_for(what, look)

    def of(self, code):
        return {command for command, each in self.codes.items() if each == code}
