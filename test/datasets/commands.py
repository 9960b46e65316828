"""What the converters have in common: command lines for `nova import`, and their counts.

A source's own ids become UUIDs (RFC 9562, version 5), so the same source gives the same file, and a
line may name what an earlier one creates.
"""
import argparse
import collections
import json
import re
import sys
import unicodedata
import uuid

NAMESPACE = uuid.UUID("0b6f6a52-6d1c-5d0e-9d57-3a3f6a0d8c11")
HANDLE_BYTES_MAX = 64


def id_of(*parts):
    return str(uuid.uuid5(NAMESPACE, "/".join(map(str, parts))))


def handle_of(name, suffix=""):
    """A handle of what is left of a name when only letters, digits, _ . - may stay."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", ascii_name).strip("-.") or "user"
    return plain[:HANDLE_BYTES_MAX - len(suffix)] + suffix


class Writer:
    """Commands of the services there are go to one file, those of later ones to another."""
    NOW = ("identity", "content", "communication")

    def __init__(self, commands, later):
        self.commands, self.later = commands, later
        self.counts = collections.Counter()

    def write(self, source_id, service, method, request, occurred_at, on_behalf_of=None):
        line = {"service": service, "method": method, "request": request,
                "command_id": id_of("command", service, method, *source_id),
                "occurred_at": occurred_at}
        if on_behalf_of:
            line["on_behalf_of"] = on_behalf_of
        out = self.commands if service in self.NOW else self.later
        if out:
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self.counts[f"{service}.{method}"] += 1

    def tell(self):
        for name, count in sorted(self.counts.items()):
            later = "" if name.split(".")[0] in self.NOW else " (of a service that is not there yet)"
            print(f"{count:7,} {name}{later}", file=sys.stderr)


def main(convert, description):
    """The command line of a converter: convert(folder, writer)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", help="the source, as it was published")
    parser.add_argument("--later", type=argparse.FileType("w", encoding="utf-8"),
                        help="where commands of services that are not there yet go")
    parser.add_argument("--commands", type=argparse.FileType("w", encoding="utf-8"),
                        default=sys.stdout, help="where the others go (standard output)")
    arguments = parser.parse_args()
    writer = Writer(arguments.commands, arguments.later)
    convert(arguments.folder, writer)
    writer.tell()
