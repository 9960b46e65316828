// emmett.mjs - Emmett's PostgreSQL event store, as ./nova bench --peers measures it.
//
//   append --writers W --commands N --events K --size B   new streams of K events, which must not
//                                                         be there: the expected version
//   load --events N --loads L --size B                    one stream of N events, folded into a state
//
// The PG* variables say where. Prints one line of JSON. The schema is made, and the code warm, before
// the clock starts; each writer has a connection.
import { randomUUID, webcrypto } from "node:crypto";
import { parseArgs } from "node:util";
import { STREAM_DOES_NOT_EXIST } from "@event-driven-io/emmett";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import pg from "pg";

globalThis.crypto ??= webcrypto; // Emmett looks for it there; Debian's Node 18 has it not
const WARM_UP = 10;
const { PGUSER, PGPASSWORD, PGHOST, PGPORT, PGDATABASE } = process.env;
const { positionals: [what], values } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(["writers", "commands", "events", "size", "loads"].map((name) =>
    [name, { type: "string", default: "1" }])),
});
const [writers, commands, events, size, loads] = ["writers", "commands", "events", "size", "loads"]
  .map((name) => Number(values[name]));

const store = getPostgreSQLEventStore(
  `postgresql://${PGUSER}:${encodeURIComponent(PGPASSWORD)}@${PGHOST}:${PGPORT}/${PGDATABASE}`,
  { connectionOptions: { pool: new pg.Pool({ max: writers }) } });
const text = "ab".repeat(Math.ceil(size / 2));
const some = (count) => Array.from({ length: count }, (_, i) =>
  ({ type: "PostCreated", data: { text, i } }));

async function command() {
  const id = `post-${randomUUID()}`;
  await store.appendToStream(id, some(events), { expectedStreamVersion: STREAM_DOES_NOT_EXIST });
  return id;
}

async function append() {
  const each = Math.floor(commands / writers);
  await command(); // alone: it makes the schema
  const write = async (count) => { for (let i = 0; i < count; i++) await command(); };
  const all = (count) => Promise.all(Array.from({ length: writers }, () => write(count)));
  await all(Math.min(each, WARM_UP));
  const began = performance.now();
  await all(each);
  return { commands: each * writers, seconds: (performance.now() - began) / 1000 };
}

async function load() {
  const id = await command(), took = [];
  const fold = { initialState: () => ({ n: 0 }), evolve: (state) => ({ n: state.n + 1 }) };
  for (let i = 0; i < loads + WARM_UP; i++) {
    const began = performance.now();
    const { state } = await store.aggregateStream(id, fold);
    took.push(1000 * (performance.now() - began));
    if (state.n !== events) throw new Error(`${state.n} events of ${events}`);
  }
  const sorted = took.slice(WARM_UP).sort((a, b) => a - b);
  return { loads, p50_us: sorted[Math.round((loads - 1) / 2)] };
}

console.log(JSON.stringify(await { append, load }[what]()));
process.exit(0);
