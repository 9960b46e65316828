"""Opens what events seal of a person, by python3-nacl and the tables: no code shared with ours."""
import uuid

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt

from log_check import message_class

NONCE_BYTES = 24


def message_name(service, type_name):
    """"post.created" -> "nova.content.v2.PostCreated"."""
    return f"nova.{service}.v2." + "".join(part.capitalize() for part in type_name.replace("_", ".").split("."))


class Opener:
    """One service's keys, as they are now: what was erased does not open."""

    def __init__(self, it, service):
        self.service = service
        master = bytes.fromhex((it.home / "credentials/seal" / service).read_text().strip())
        self.keys, self.wrapped = {}, {}
        for key_id, wrapped in it.rows(f"select key_id::text, wrapped from {service}.person_key"):
            if wrapped is not None:
                self.wrapped[uuid.UUID(key_id).bytes] = bytes(wrapped)
        self.master = master

    def _key(self, key_id):
        if key_id not in self.keys and key_id in self.wrapped:
            wrapped = self.wrapped[key_id]
            self.keys[key_id] = decrypt(wrapped[NONCE_BYTES:], key_id, wrapped[:NONCE_BYTES],
                                        self.master)
        return self.keys.get(key_id)

    def open(self, event, payload):
        """The personal part of a payload; None when its person was erased."""
        key = self._key(payload.sealed.key_id)
        if key is None:
            return None
        bound = uuid.UUID(event["event_id"]).bytes + event["type"].encode()
        plain = decrypt(payload.sealed.ciphertext, bound, payload.sealed.nonce, key)
        return message_class(message_name(self.service, event["type"]) + "Personal").FromString(
            plain)
