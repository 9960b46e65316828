#!/usr/bin/env python3
"""A Stack Exchange data dump as commands for `nova import`.

Users become ImportUser, questions CreatePost, answers and comments CreateComment: an answer on its
question, a comment on its question or in reply to its answer. Everything in the order of its
CreationDate, at one moment users first, then questions, answers, comments.
"""
import html.parser
import pathlib
import re
import xml.etree.ElementTree

import commands

COMMUNITY = "-1"  # whoever has no user of their own
TEXT_BYTES_MAX = 65536
USER, QUESTION, ANSWER, COMMENT, LIKE = range(5)


def rows(path):
    for _, element in xml.etree.ElementTree.iterparse(path):
        if element.tag == "row":
            yield dict(element.attrib)
            element.clear()


class Text(html.parser.HTMLParser):
    """The words of a post without its markup."""
    BLOCKS = {"p", "pre", "li", "h1", "h2", "h3", "blockquote", "br", "hr", "tr"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts = []

    def handle_starttag(self, tag, attrs):
        if tag in self.BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data):
        self.parts.append(data)


def text_of(markup):
    parser = Text()
    parser.feed(markup)
    parser.close()
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", "".join(parser.parts)).replace("\r", "")
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return text.encode()[:TEXT_BYTES_MAX].decode(errors="ignore")


def user_id(source_id):
    return commands.id_of("stackexchange", "user", source_id)


def post_id(source_id):
    return commands.id_of("stackexchange", "post", source_id)


def comment_id(kind, source_id):
    return commands.id_of("stackexchange", kind, source_id)


def write_user(writer, row):
    source_id, name = row["Id"], row["DisplayName"]
    display_name = " ".join(name.split())[:100] or source_id
    writer.write(("user", source_id), "identity", "ImportUser", {
        "user_id": user_id(source_id), "email": f"{source_id}@example.invalid",
        "handle": commands.handle_of(name, f"-{source_id}"), "display_name": display_name,
    }, row["CreationDate"] + "Z")
    if "AboutMe" in row:
        writer.write(("user", source_id), "user", "UpdateProfile", {
            "user_id": user_id(source_id), "bio": text_of(row["AboutMe"])},
            row["CreationDate"] + "Z", user_id(source_id))


def write_question(writer, row):
    writer.write(("post", row["Id"]), "content", "CreatePost", {
        "post_id": post_id(row["Id"]), "title": row["Title"], "text": text_of(row["Body"]),
        "tags": re.findall(r"<([^>]+)>", row.get("Tags", "")),
    }, row["CreationDate"] + "Z", user_id(row.get("OwnerUserId", COMMUNITY)))


def write_answer(writer, row):
    writer.write(("answer", row["Id"]), "content", "CreateComment", {
        "comment_id": comment_id("answer", row["Id"]), "post_id": post_id(row["ParentId"]),
        "text": text_of(row["Body"]),
    }, row["CreationDate"] + "Z", user_id(row.get("OwnerUserId", COMMUNITY)))


def write_comment(writer, row, question_of):
    request = {"comment_id": comment_id("comment", row["Id"]),
               "post_id": post_id(question_of.get(row["PostId"], row["PostId"]))}
    if row["PostId"] in question_of:
        request["parent_id"] = comment_id("answer", row["PostId"])
    request["text"] = row["Text"].replace("\r", "")
    writer.write(("comment", row["Id"]), "content", "CreateComment", request,
                 row["CreationDate"] + "Z", user_id(row.get("UserId", COMMUNITY)))


def write_like(writer, row):
    writer.write(("vote", row["Id"]), "social", "Like", {"post_id": post_id(row["PostId"])},
                 row["CreationDate"] + "Z", user_id(row["UserId"]))


def convert(folder, writer):
    folder = pathlib.Path(folder)
    posts = list(rows(folder / "Posts.xml"))
    questions = {row["Id"] for row in posts if row["PostTypeId"] == "1"}
    question_of = {row["Id"]: row["ParentId"] for row in posts if row["PostTypeId"] == "2"}
    found = [(row["CreationDate"], USER, int(row["Id"]), row) for row in rows(folder / "Users.xml")]
    found += [(row["CreationDate"], QUESTION if row["Id"] in questions else ANSWER, int(row["Id"]), row)
              for row in posts if row["Id"] in questions or row["Id"] in question_of]
    found += [(row["CreationDate"], COMMENT, int(row["Id"]), row)
              for row in rows(folder / "Comments.xml")
              if row["PostId"] in questions or row["PostId"] in question_of]
    # A vote tells its day only: it is placed at that day's end.
    found += [(row["CreationDate"][:10] + "T23:59:59.999", LIKE, int(row["Id"]), row)
              for row in rows(folder / "Votes.xml")
              if row["VoteTypeId"] == "5" and "UserId" in row and row["PostId"] in questions]
    for _, kind, _, row in sorted(found, key=lambda each: each[:3]):
        if kind == COMMENT:
            write_comment(writer, row, question_of)
        else:
            (write_user, write_question, write_answer, None, write_like)[kind](writer, row)


if __name__ == "__main__":
    commands.main(convert, __doc__.splitlines()[0])
