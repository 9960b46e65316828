import { connect, nkeyAuthenticator } from "nats";
import protobuf from "protobufjs";
import { readFileSync } from "node:fs";
const { NATS_URL, NATS_NKEY_SEED_FILE, NATS_INBOX_PREFIX: inboxPrefix, NOVA_ROOT } = process.env;
const root = new protobuf.Root();
root.resolvePath = (_, file) => `${NOVA_ROOT}/proto/${file}`;
root.loadSync(["io/cloudevents/v1/cloudevents.proto", "nova/content/v2/content.proto"]);
const CloudEvent = root.lookupType("io.cloudevents.v1.CloudEvent");
const PostCreated = root.lookupType("nova.content.v2.PostCreated");
const seed = Buffer.from(readFileSync(NATS_NKEY_SEED_FILE, "utf8").trim());
const nats = await connect({ servers: NATS_URL, inboxPrefix, authenticator: nkeyAuthenticator(seed) });
for await (const message of nats.subscribe("nova.evt.content.post.created.*")) {
  const event = CloudEvent.decode(message.data);
  console.log(event.id, event.type, PostCreated.decode(event.binaryData));
}
