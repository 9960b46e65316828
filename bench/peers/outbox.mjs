// outbox.mjs - pg-transactional-outbox to JetStream, as ./nova bench --peers measures it.
//
//   setup polling|replication             prints the SQL that makes its table, function or slot
//   drain polling|replication --events N  publishes N messages that wait in the table, each with its
//                                         id as Nats-Msg-Id, until JetStream has acknowledged all
//
// The PG* variables say where, NATS_URL, NATS_NKEY_SEED_FILE and NATS_INBOX_PREFIX who it is on the
// bus, STREAM and SUBJECT what it publishes to; the stream is made anew. Prints one line of JSON.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers, nkeyAuthenticator } from "@nats-io/transport-node";
import outbox from "pg-transactional-outbox";

const { PGUSER, PGPASSWORD, PGHOST, PGPORT, PGDATABASE, STREAM, SUBJECT } = process.env;
const { NATS_URL, NATS_NKEY_SEED_FILE, NATS_INBOX_PREFIX: inboxPrefix } = process.env;
const { positionals: [what, mode], values } = parseArgs({
  allowPositionals: true, options: { events: { type: "string", default: "1" } },
});
const events = Number(values.events);
const names = { publication: "bench_outbox", slot: "bench_outbox", next: "next_outbox_messages" };

function setup() {
  const config = {
    outboxOrInbox: "outbox", database: PGDATABASE, schema: "public", table: "outbox",
    listenerRole: "bench_listener", handlerRole: "bench_listener", nextMessagesName: names.next,
    publication: names.publication, replicationSlot: names.slot,
  };
  const { createPollingScript, createReplicationScript } = outbox.DatabaseSetupExporter;
  console.log(mode === "polling" ? createPollingScript(config) : createReplicationScript(config));
}

// As fast as it goes by its own means: batches of 500, the table looked at again after 5 ms, and as
// many messages at once as it has connections. What guards it against poisonous messages is off.
function listen(handle) {
  const config = {
    outboxOrInbox: "outbox",
    dbListenerConfig: { host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD,
                        database: PGDATABASE, max: 40 },
    settings: {
      dbSchema: "public", dbTable: "outbox", dbPublication: names.publication,
      dbReplicationSlot: names.slot, nextMessagesFunctionName: names.next,
      nextMessagesBatchSize: 500, nextMessagesPollingIntervalInMs: 5,
      nextMessagesLockInMs: 60000, messageProcessingTimeoutInMs: 60000,
      enableMaxAttemptsProtection: false, enablePoisonousMessageProtection: false,
    },
  };
  const log = outbox.getDisabledLogger();
  if (mode === "polling")
    return outbox.initializePollingMessageListener(config, { handle }, log, {});
  return outbox.initializeReplicationMessageListener(config, { handle }, log, {
    concurrencyStrategy: outbox.createReplicationFullConcurrencyController(),
  });
}

async function drain() {
  const seed = readFileSync(NATS_NKEY_SEED_FILE, "utf8").trim();
  const nats = await connect({
    servers: NATS_URL, inboxPrefix,
    authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)),
  });
  // For two minutes JetStream knows an id again: what a relay rests on that publishes twice after a
  // crash.
  const manager = await jetstreamManager(nats, { checkAPI: false });
  await manager.streams.add({ name: STREAM, subjects: [`${SUBJECT}.>`], storage: "file",
                              duplicate_window: 120e9 });
  const js = jetstream(nats);
  let count = 0, began, done;
  const all = new Promise((resolve) => { done = resolve; });
  listen(async (message) => {
    began ??= performance.now();
    const h = headers();
    h.set("Nats-Msg-Id", message.id);
    await js.publish(`${SUBJECT}.user.registered.00`, JSON.stringify(message.payload),
                     { headers: h });
    if (++count >= events) done();
  });
  await all;
  console.log(JSON.stringify({ events: count, seconds: (performance.now() - began) / 1000 }));
}

if (what === "setup") setup();
else await drain();
process.exit(0);
