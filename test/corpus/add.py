#!/usr/bin/env python3
"""Writes the next corpus file of each event type whose newest form is not in the corpus yet.

Every field of the payload and of the personal part is set, by protobuf's own Python library and
libsodium's, so that the product decodes what it did not encode. Existing files stay as they are.
"""
import json
import pathlib
import sys
import uuid

import nacl.bindings
from google.protobuf import json_format

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import corpus

KEY = bytes(range(32))
KEY_ID = uuid.uuid5(uuid.NAMESPACE_URL, "nova:corpus:key")


def identity(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"nova:corpus:{name}"))


# Which thing a field that holds an id names.
IDS = {"user_id": "user", "author_id": "user", "creator_id": "user", "sender_id": "user",
       "reader_id": "user", "member_ids": "user", "post_id": "post", "parent_id": "parent comment",
       "conversation_id": "conversation"}


def value(field, number, kind):
    if field.name in IDS:
        return identity(IDS[field.name] if number == 0 else "user 2")
    if field.type == field.TYPE_STRING:
        return f"{field.name.replace('_', '.')}{number or ''}.of.{kind}"
    return {field.TYPE_BOOL: True, field.TYPE_INT64: 1700000000000000}.get(field.type, 7)


def fill(message, kind):
    for field in message.DESCRIPTOR.fields:
        if field.message_type:
            continue  # sealed, below
        if field.label == field.LABEL_REPEATED:
            getattr(message, field.name).extend(value(field, number, kind) for number in range(2))
        else:
            setattr(message, field.name, value(field, 0, kind))
    return message


def seal(payload, personal, event_id, kind):
    nonce = uuid.uuid5(event_id, "nonce").bytes + bytes(8)
    payload.sealed.key_id, payload.sealed.nonce = KEY_ID.bytes, nonce
    payload.sealed.ciphertext = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        personal.SerializeToString(), event_id.bytes + kind.encode(), nonce, KEY)


def as_json(message):
    return json_format.MessageToDict(message, including_default_value_fields=True)


def fields_of(message):
    return sorted(field.name for field in message.DESCRIPTOR.fields)


def main():
    for service, aggregate, event, sealed in corpus.event_types():
        kind, known = f"{aggregate}.{event}", corpus.files(service, aggregate, event)
        payload = fill(corpus.payload_class(service, aggregate, event)(), kind)
        personal = fill(corpus.payload_class(service, aggregate, event, True)(), kind) if sealed else None
        fields = [fields_of(payload), fields_of(personal) if sealed else []]
        if any(json.loads(path.read_text())["fields"] == fields for path in known):
            continue
        path = corpus.FOLDER / service / f"{kind}.{len(known) + 1:03}.json"
        event_id = uuid.uuid5(uuid.NAMESPACE_URL, f"nova:corpus:{service}/{path.name}")
        if sealed:
            seal(payload, personal, event_id, kind)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({
            "service": service, "type": kind, "event_id": str(event_id),
            "aggregate_id": identity(aggregate), "fields": fields,
            "payload": payload.SerializeToString().hex(),
            "key_id": str(KEY_ID) if sealed else None, "key": KEY.hex() if sealed else None,
            "decodes_to": kind, "payload_json": as_json(payload),
            "personal_json": as_json(personal) if sealed else None}, indent=1) + "\n")
        print(path.relative_to(corpus.ROOT))


if __name__ == "__main__":
    main()
