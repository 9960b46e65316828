#!/usr/bin/env python3
"""Logs of an IRC channel as commands for `nova import`.

Every nick becomes a user at its first line. What somebody says to another ("other: ..." or
"other, ...", where other speaks in the same file) becomes a message in their conversation, which
begins with the first of them; who speaks and who is spoken to tells conversations apart.
Everything else is said to nobody in particular, and is left out.
"""
import datetime
import pathlib
import re

import commands

LINE = re.compile(r"\[(\d\d):(\d\d)\] <([^>]+)> (.*)$")
ADDRESSEE = re.compile(r"([^\s:,]+)[:,] ")
DAY = datetime.timedelta(days=1)


def user_id(nick):
    return commands.id_of("irc", "user", nick.lower())


def conversation_id(sender, other):
    return commands.id_of("irc", "conversation", sender.lower(), other.lower())


def spoken(path):
    """(time, nick, text) of each message; a clock that goes backwards has passed midnight."""
    day = datetime.datetime.strptime(path.name[:10], "%Y-%m-%d")
    last = None
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n")):
        found = LINE.match(line)
        if not found:
            continue
        minute = datetime.timedelta(hours=int(found[1]), minutes=int(found[2]))
        if last is not None and minute < last:
            day += DAY
        last = minute
        # The clock shows minutes only: the line's number keeps the order within one.
        at = day + minute + datetime.timedelta(milliseconds=number)
        text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", found[4])
        yield at.isoformat(timespec="milliseconds") + "Z", found[3], text


class Channel:
    def __init__(self, writer):
        self.writer, self.known, self.conversations = writer, set(), set()

    def meet(self, nick, at):
        if nick.lower() in self.known:
            return
        self.known.add(nick.lower())
        handle = commands.handle_of(nick, f"-{len(self.known)}")
        self.writer.write(("user", nick.lower()), "identity", "ImportUser", {
            "user_id": user_id(nick), "email": f"{handle}@example.invalid", "handle": handle,
            "display_name": nick}, at)

    def say(self, source, sender, other, text, at):
        conversation = conversation_id(sender, other)
        if conversation not in self.conversations:
            self.conversations.add(conversation)
            self.writer.write(("conversation", sender.lower(), other.lower()), "communication",
                              "CreateConversation", {
                                  "conversation_id": conversation,
                                  "member_ids": [user_id(sender), user_id(other)]},
                              at, user_id(sender))
        self.writer.write(("message", *source), "communication", "SendMessage", {
            "message_id": commands.id_of("irc", "message", *source),
            "conversation_id": conversation, "text": text}, at, user_id(sender))


def convert(folder, writer):
    channel = Channel(writer)
    for path in sorted(pathlib.Path(folder).glob("*.raw.txt")):
        lines = list(spoken(path))
        nicks = {nick.lower(): nick for _, nick, _ in lines}
        for number, (at, nick, text) in enumerate(lines):
            channel.meet(nick, at)
            found = ADDRESSEE.match(text)
            other = found and nicks.get(found[1].lower())
            if not other or other.lower() == nick.lower():
                continue
            # Whoever is spoken to before the first line of their own is met by it.
            channel.meet(other, at)
            channel.say((path.name, number), nick, other, text, at)


if __name__ == "__main__":
    commands.main(convert, __doc__.splitlines()[0])
